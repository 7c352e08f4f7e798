/**
 * What the documents say of the code, as far as a machine can tell: links lead somewhere, promises have tests, and
 * words that a link quotes from a test's title are in that test.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Tests run from dist/, documents stay where they are.
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const documents = readdirSync(ROOT)
  .filter((name) => name.endsWith('.md'))
  .concat(filesBelow('docs', '.md'));
const testFiles = [...filesBelow('src', '.test.ts'), ...filesBelow('test', '.test.ts')];

test('every Markdown file has one title, on its first line', () => {
  for (const document of documents) {
    const titles = proseOf(document).match(/^# .+$/gm) ?? [];
    assert.equal(titles.length, 1, `${document} has ${titles.length} titles`);
    assert.match(textOf(document), /^# /, `${document} does not begin with its title`);
  }
});

test('every link leads to a file, and to a heading where it names one', () => {
  for (const document of documents) {
    for (const { target } of linksOf(document)) {
      const [place = '', anchor] = target.split('#');
      const file = place === '' ? document : path.join(path.dirname(document), place);
      assert.ok(existsSync(path.join(ROOT, file)), `${document} links to ${target}, which is not there`);
      if (anchor !== undefined)
        assert.ok(anchorsOf(file).has(anchor), `${document} links to ${target}: no such heading`);
    }
  }
});

test('a link to a test quotes a title of that test', () => {
  for (const { text, target } of linksOf('SPECIFICATION.md')) {
    if (!target.endsWith('.test.ts')) continue;
    const titles = titlesIn(target);
    assert.ok(
      titles.some((title) => title.includes(text)),
      `${target} has no title with "${text}"`,
    );
  }
});

test('every rule of the specification is cited by the title of a test', () => {
  const cited = new Set(testFiles.flatMap(titlesIn).flatMap((title) => title.match(/\bR\d+\b/g) ?? []));
  const rules = [...textOf('SPECIFICATION.md').matchAll(/^\| (R\d+) /gm)].map(([, rule]) => rule!);
  assert.ok(rules.length > 20, 'the table of rules is read');
  assert.deepEqual(
    rules.filter((rule) => !cited.has(rule)),
    [],
  );
});

test('what the specification calls pending is not there yet', () => {
  for (const [, file] of textOf('SPECIFICATION.md').matchAll(/\| pending: `([\w./-]+\.ts)`/g))
    assert.ok(!existsSync(path.join(ROOT, file!)), `${file} exists: link to it instead of calling it pending`);
});

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name))
    .toSorted();
}

function textOf(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** Without what is only shown: code, in blocks and in lines. */
function proseOf(document: string): string {
  return textOf(document)
    .replaceAll(/^```.*?^```$/gms, '')
    .replaceAll(/`[^`\n]*`/g, '');
}

/** Links within the project. */
function linksOf(document: string): { text: string; target: string }[] {
  return [...proseOf(document).matchAll(/\[([^\]]+)\]\(([^)\s]+)\)/g)]
    .map(([, text, target]) => ({ text: text!, target: target! }))
    .filter(({ target }) => !/^[a-z]+:/.test(target));
}

/** As GitHub names headings. */
function anchorsOf(document: string): Set<string> {
  const headings = textOf(document).matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The first argument of each `test` and `describe`, as it is written. */
function titlesIn(file: string): string[] {
  const quoted = /\b(?:test|describe)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g;
  return [...textOf(file).matchAll(quoted)].map(([, single, double, template]) => single ?? double ?? template ?? '');
}
