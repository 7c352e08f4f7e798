/** What keeps `tmem demo` from starting: one line with a code, the right status, nothing left behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type Ended, tmem } from '../support/tmem-process.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tmem-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('without QEMU it says in one line what to install, and starts nothing', async () => {
  const ended = await demo([]);
  isRefused(
    ended,
    1,
    /^tmem: E_MISSING_TOOL: no qemu-system-x86_64 on PATH, .*; type: apt-get install qemu-system-x86 /,
  );
  assert.match(ended.plain[0]!, /no static busybox on PATH.* && apt-get install busybox-static/);
});

test('a kernel that is none is named before anything else', async () => {
  const file = path.join(folder, 'kernel');
  isRefused(await demo(['--kernel', file]), 1, /^tmem: E_NOT_FOUND: cannot read a kernel from .*kernel \(ENOENT\)/);
  writeFileSync(file, 'no kernel');
  isRefused(await demo(['--kernel', file]), 1, /^tmem: E_NOT_FOUND: .*kernel is no Linux kernel for x86/);
  rmSync(file);
});

for (const [what, args] of [
  ['no guest', ['--guests', '0']],
  ['too many guests', ['--guests', '9']],
  ['a number that is none', ['--seconds', '1m']],
  ['too short a time', ['--seconds', '5']],
  ['an argument', ['extra']],
] as const) {
  test(`${what} is a usage error`, async () => {
    isRefused(await demo(args), 2, /^tmem: E_USAGE: .*: see "tmem demo --help"$/);
  });
}

test('--help lists every option', async () => {
  const { code, stdout } = await demo(['--help']);
  assert.equal(code, 0);
  for (const option of ['--guests', '--seconds', '--kernel', '--json', '--help'])
    assert.ok(stdout.includes(option), option);
});

/** With an empty PATH, and with temp dir and cache in the folder. */
async function demo(args: readonly string[]): Promise<Ended> {
  return tmem(['demo', ...args], { env: { PATH: folder, TMPDIR: folder, TMEM_CACHE: folder } });
}

function isRefused(ended: Ended, code: number, line: RegExp): void {
  assert.deepEqual([ended.code, ended.stdout, ended.plain.length], [code, '', 1], ended.stderr);
  assert.match(ended.plain[0]!, line);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name !== 'kernel'),
    [],
  );
}
