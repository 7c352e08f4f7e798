import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR_CODES, TmemError } from './errors.js';
import { VERSION } from './version.js';

// Tests run from dist/, documents stay where they are.
const root = new URL('../../../', import.meta.url);

test('the catalogue of errors and the table of codes are the same, exit status included', () => {
  const text = readFileSync(new URL('docs/errors.md', root), 'utf8');
  const rows = [...text.matchAll(/^\| (E_\w+) +\| (\d) +\| \S.* \| \S.* \| \S.* \|$/gm)];
  assert.deepEqual(
    rows.map(([, code, exit]) => [code, Number(exit)]),
    Object.entries(ERROR_CODES),
  );
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
