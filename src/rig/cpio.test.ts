import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { cpioArchive, type CpioEntry } from './cpio.js';

test('an archive without entries is the trailer alone, padded to 4 bytes', () => {
  const archive = cpioArchive([]);
  assert.equal(archive.length, 110 + 'TRAILER!!!\0'.length + 3);
  assert.equal(archive.toString('latin1', 0, 6), '070701');
  assert.equal(archive.toString('latin1', 110, 120), 'TRAILER!!!');
});

test('a folder, a program and a link have the modes that Linux reads as such', () => {
  const entries: CpioEntry[] = [
    { path: 'bin', kind: 'folder' },
    { path: 'bin/busybox', kind: 'file', bytes: Buffer.from('ELF'), executable: true },
    { path: 'bin/sh', kind: 'link', to: 'busybox' },
  ];
  assert.deepEqual(
    unpack(cpioArchive(entries)).map(({ path, mode }) => [path, mode.toString(8)]),
    [
      ['bin', '40755'],
      ['bin/busybox', '100755'],
      ['bin/sh', '120777'],
    ],
  );
});

test('names and contents of every length come out as they went in', () => {
  const files = fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), fc.uint8Array({ maxLength: 9 })), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(files, (given) => {
      const archive = cpioArchive(given.map(([path, bytes]) => ({ path, kind: 'file', bytes })));
      assert.equal(archive.length % 4, 0);
      assert.deepEqual(
        unpack(archive).map(({ path, bytes }) => [path, [...bytes]]),
        given.map(([path, bytes]) => [path, [...bytes]]),
      );
    }),
  );
});

interface Unpacked {
  path: string;
  mode: number;
  bytes: Uint8Array;
}

function unpack(archive: Buffer): Unpacked[] {
  const found: Unpacked[] = [];
  for (let at = 0; ;) {
    const field = (n: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + n * 8, at + 14 + n * 8), 16);
    const [mode, size, nameBytes] = [field(1), field(6), field(11)];
    const path = archive.toString('latin1', at + 110, at + 110 + nameBytes - 1);
    if (path === 'TRAILER!!!') return found;
    const start = aligned(at + 110 + nameBytes);
    found.push({ path, mode, bytes: archive.subarray(start, start + size) });
    at = aligned(start + size);
  }
}

function aligned(at: number): number {
  return Math.ceil(at / 4) * 4;
}
