/** One suite for every kind of segment files: what the engine relies on holds for all of them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemCode } from '../base/errors.js';
import { segmentSlot } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { MIB } from '../base/units.js';
import { Crash, CrashingSegmentFiles } from './crashing-segment-files.js';
import { MemorySegmentFiles } from './memory-segment-files.js';
import { PowerLossFiles } from './power-loss-files.js';
import { RealSegmentFiles } from './real-segment-files.js';

const BYTES = 64 * 1024;
const [ONE, SEVEN] = [segmentSlot(1), segmentSlot(7)];

/** Opens the same files again, as the next process does. */
type Open = () => SegmentFiles;

const KINDS: Readonly<Record<string, (use: (open: Open) => Promise<void>) => Promise<void>>> = {
  memory: async (use) => {
    const files = new MemorySegmentFiles();
    await use(() => files);
  },
  crashing: async (use) => {
    const files = new MemorySegmentFiles();
    await use(() => new CrashingSegmentFiles(files, seededPrng(1), Infinity));
  },
  'losing power': async (use) => {
    const files = new PowerLossFiles(seededPrng(1));
    await use(() => files);
  },
  real: (use) => withReal({}, use),
  'real, on a disk': (use) => withReal({ onDisk: true }, use),
};

async function withReal(options: { onDisk?: boolean }, use: (open: Open) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-files-'));
  const opened: SegmentFiles[] = [];
  try {
    await use(() => {
      const files = new RealSegmentFiles(path.join(folder, 'shard'), options);
      opened.push(files);
      return files;
    });
  } finally {
    for (const files of opened) files.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const [kind, withFiles] of Object.entries(KINDS)) {
  test(`${kind}: a new file is zeros, listed by slot in order`, () =>
    withFiles(async (open) => {
      const files = open();
      files.create(SEVEN, BYTES);
      files.create(ONE, BYTES);
      assert.deepEqual(files.list(), [
        { slot: ONE, bytes: BYTES },
        { slot: SEVEN, bytes: BYTES },
      ]);
      assert.ok(readAll(files, SEVEN).every((byte) => byte === 0));
    }));

  test(`${kind}: a slot that has a file is not made again`, () =>
    withFiles(async (open) => {
      const files = open();
      files.create(ONE, BYTES);
      files.write(ONE, 0, Buffer.from('kept'), 0, 4);
      assert.throws(() => files.create(ONE, BYTES));
      assert.equal(readAll(files, ONE).toString('latin1', 0, 4), 'kept');
    }));

  test(`${kind}: what was written is read back, in part and by the next process`, () =>
    withFiles(async (open) => {
      const files = open();
      files.create(ONE, BYTES);
      const from = Buffer.from('..abcdef..');
      files.write(ONE, 1000, from, 2, 6);
      files.write(ONE, 1002, from, 0, 2);
      for (const each of [files, open()]) {
        const into = Buffer.alloc(10, '-');
        assert.equal(each.read(ONE, 999, into, 1, 8), 8);
        assert.equal(into.toString('latin1'), '-\0ab..ef\0-');
      }
    }));

  test(`${kind}: a read ends where the file ends`, () =>
    withFiles(async (open) => {
      const files = open();
      files.create(ONE, BYTES);
      const into = Buffer.alloc(100, 1);
      assert.equal(files.read(ONE, BYTES - 10, into, 0, 100), 10);
      assert.equal(into[10], 1, 'the rest is left alone');
      assert.equal(files.read(ONE, BYTES + 10, into, 0, 100), 0);
    }));

  test(`${kind}: a removed file is gone once it is said to be, and its slot free`, () =>
    withFiles(async (open) => {
      const files = open();
      files.create(ONE, BYTES);
      files.write(ONE, 0, Buffer.from('old'), 0, 3);
      await new Promise<void>((resolve) => files.remove(ONE, resolve));
      assert.deepEqual(files.list(), []);
      files.create(ONE, BYTES);
      assert.equal(readAll(files, ONE)[0], 0);
    }));

  // A disk may take long: there nobody waits.
  if (kind === 'real, on a disk') continue;
  test(`${kind}: whoever needs the slot of a removed file at once can have it`, () =>
    withFiles(async (open) => {
      const files = open();
      for (const slot of [ONE, SEVEN]) files.create(slot, BYTES);
      files.write(ONE, 0, Buffer.from('old'), 0, 3);
      const gone: number[] = [];
      for (const slot of [ONE, SEVEN]) files.remove(slot, () => gone.push(slot));
      files.finishRemovals();
      assert.deepEqual(gone, [ONE, SEVEN]);
      files.create(ONE, BYTES);
      await new Promise(setImmediate);
      assert.equal(readAll(files, ONE)[0], 0);
      assert.deepEqual(gone, [ONE, SEVEN]);
    }));
}

test('memory: a file system that is full says ENOSPC and leaves no file', () => {
  const files = new MemorySegmentFiles(BYTES + 10);
  files.create(ONE, BYTES);
  assert.equal(
    codeOf(() => files.create(SEVEN, BYTES)),
    'ENOSPC',
  );
  assert.deepEqual(
    files.list().map(({ slot }) => slot),
    [ONE],
  );
});

test('real: every byte of a new file is backed', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-backed-'));
  try {
    const files = new RealSegmentFiles(folder);
    files.create(ONE, 2 * MIB);
    files.close();
    assert.ok(statSync(path.join(folder, 'segment-00001')).blocks * 512 >= 2 * MIB);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('real: strange names in the folder are left alone, a file cut short is listed as short', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-names-'));
  try {
    const files = new RealSegmentFiles(folder);
    files.create(ONE, BYTES);
    files.close();
    for (const name of ['segment-1', 'segment-000001', 'segment-00002.bak', 'notes'])
      writeFileSync(path.join(folder, name), 'x');
    truncateSync(path.join(folder, 'segment-00001'), 100);
    const again = new RealSegmentFiles(folder, { readOnly: true });
    assert.deepEqual(again.list(), [{ slot: ONE, bytes: 100 }]);
    assert.throws(() => again.write(ONE, 0, Buffer.alloc(1), 0, 1));
    again.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('crashing: the death leaves a prefix of the write, and nothing of what comes after', () => {
  for (let seed = 0; seed < 200; seed++) {
    const disk = new MemorySegmentFiles();
    disk.create(ONE, BYTES);
    const files = new CrashingSegmentFiles(disk, seededPrng(seed), 1);
    const bytes = Buffer.alloc(1000, 1);
    files.write(ONE, 0, bytes, 0, 10);
    assert.throws(() => files.write(ONE, 100, bytes, 0, 1000), Crash);
    const written = disk.fileOf(ONE).subarray(100, 1100);
    const length = written.indexOf(0) === -1 ? 1000 : written.indexOf(0);
    assert.ok(written.subarray(0, length).every((byte) => byte === 1));
    assert.ok(written.subarray(length).every((byte) => byte === 0));
    assert.throws(() => files.write(ONE, 5000, bytes, 0, 1), Crash, 'the dead do not come back');
  }
});

test('crashing: a fault is a system error, and may have had any part of its effect', () => {
  const disk = new MemorySegmentFiles();
  disk.create(ONE, BYTES);
  const files = new CrashingSegmentFiles(disk, seededPrng(3), Infinity, 2);
  const codes = new Set<string | undefined>();
  for (let write = 0; write < 100; write++) codes.add(codeOf(() => files.write(ONE, 0, Buffer.alloc(10), 0, 10)));
  assert.deepEqual(codes, new Set(['EIO', 'ENOSPC', undefined]));
});

function readAll(files: SegmentFiles, slot: typeof ONE): Buffer {
  const bytes = Buffer.alloc(BYTES, 0xee);
  assert.equal(files.read(slot, 0, bytes, 0, BYTES), BYTES);
  return bytes;
}

function codeOf(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return systemCode(error);
  }
}
