import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { needs } from '../../../test/support/needs.js';
import { readToken } from './token-file.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-token-'));
after(() => rmSync(folder, { recursive: true }));
const us = process.getuid!();
const TOKEN = 'abcDEF-012._~+/9==';

test('a token is the one word of a file that is ours alone, white space around it aside', () => {
  const file = write(`\n ${TOKEN}\r\n`);
  assert.deepEqual(Buffer.from(readToken(file, us)), createHash('sha256').update(TOKEN).digest());
  const link = path.join(folder, 'link');
  symlinkSync(file, link);
  assert.deepEqual(readToken(link, us), readToken(file, us));
});

for (const [what, text] of [
  ['nothing', ''],
  ['a short word', 'abcdefgh'],
  ['two words', 'abcdefghijklmnop abcdefghijklmnop'],
  ['a word with signs that no header carries', `${'x'.repeat(16)}ü`],
  ['a novel', 'x'.repeat(5000)],
] as const) {
  test(`a file with ${what} holds no token`, () => {
    assert.throws(() => readToken(write(text), us), { code: 'E_CONFIG', message: /^token_file .*token/ });
  });
}

for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644]) {
  test(`a file of mode ${mode.toString(8)} is denied`, () => {
    const file = write(TOKEN);
    chmodSync(file, mode);
    assert.throws(() => readToken(file, us), {
      code: 'E_DENIED',
      message: /is open to others than its owner .* chmod 600/,
    });
  });
}

test('a file of somebody else is denied, and one of root is not', { skip: needs('root') }, () => {
  const file = write(TOKEN);
  assert.ok(readToken(file, 1000));
  chownSync(file, 65534, 0);
  assert.throws(() => readToken(file, 0), { code: 'E_DENIED' });
  assert.ok(readToken(file, 65534));
});

test('what is no file, or is not there, is a mistake in the config, and a pipe does not hold up the start', () => {
  const pipe = path.join(folder, 'pipe');
  execFileSync('mkfifo', ['-m', '600', pipe]);
  const directory = path.join(folder, 'directory');
  mkdirSync(directory, { mode: 0o700 });
  for (const place of [pipe, directory, '/dev/null', path.join(folder, 'absent')])
    assert.throws(() => readToken(place, us), { code: 'E_CONFIG', message: new RegExp(`token_file ${place}`) });
});

let files = 0;
function write(text: string): string {
  const file = path.join(folder, `token-${files++}`);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
