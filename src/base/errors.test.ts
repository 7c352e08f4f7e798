import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR_CODES, TmemError } from './errors.js';
import { VERSION } from './version.js';

// Tests run from dist/, documents stay where they are.
const root = new URL('../../../', import.meta.url);

/** Every row that has a code in its first cell, however it is written. */
const catalogue = readFileSync(new URL('docs/errors.md', root), 'utf8')
  .split('\n')
  .filter((line) => /^\|\s*`?E_/.test(line))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  .map(([code = '', exit, ...words]) => ({ code, exit: Number(exit), words }));

test('the catalogue of errors and the table of codes are the same, exit status included', () => {
  assert.deepEqual(
    catalogue.map(({ code, exit }) => [code, exit]),
    Object.entries(ERROR_CODES),
  );
});

test('each error of the catalogue has a meaning, a cause and a cure', () => {
  for (const { code, words } of catalogue) {
    assert.equal(words.length, 3, code);
    for (const word of words) assert.match(word, /^\S.*\.$/, `${code}: "${word}"`);
  }
});

test('each error that is not reserved is raised by the product and provoked by a test, and no reserved one is', () => {
  const files = ['src', 'test'].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}/${name}`)
      .filter((name) => !['src/base/errors.ts', 'src/base/errors.test.ts'].includes(name)),
  );
  const textOf = (name: string): string => readFileSync(new URL(name, root), 'utf8');
  const isTest = (name: string): boolean => name.endsWith('.test.ts');
  const product = files
    .filter((name) => name.startsWith('src/') && !isTest(name))
    .map(textOf)
    .join('\n');
  const tests = files.filter(isTest).map(textOf).join('\n');
  for (const { code, words } of catalogue) {
    const isReserved = words[0]!.includes('Reserved:');
    assert.equal(product.includes(`'${code}'`), !isReserved, `${code} in the product`);
    if (!isReserved) assert.match(tests, new RegExp(`\\b${code}\\b`), `${code} in the tests`);
  }
});

test('an error carries its code, its line and its cause', () => {
  const cause = new Error('why');
  const error = new TmemError('E_CONFIG', 'what, where, what to do', { cause });
  assert.deepEqual([error.code, error.message, error.cause], ['E_CONFIG', 'what, where, what to do', cause]);
});

test('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };
  assert.equal(VERSION, version);
});
