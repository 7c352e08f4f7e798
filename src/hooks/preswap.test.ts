import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSmallStore, pageAt, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { address } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { KIB, MIB, PAGE_BYTES } from '../base/units.js';
import { HostedLayer } from '../layers/hosted.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { ReadOutcome, WriteOutcome } from './block-face.js';
import { Preswap } from './preswap.js';

test('a page that was never written is a hole, and reading it leaves the target alone', () => {
  const { store, disk } = withDisk();
  writeVersion(store.kernel, store.target, 9);
  const before = pageAt(store.kernel, store.target);
  assert.equal(disk.readPage(3, store.target), ReadOutcome.hole);
  assert.equal(disk.readPart(3, 512, 512, store.target), ReadOutcome.hole);
  assert.ok(disk.isHole(3));
  assert.equal(pageAt(store.kernel, store.target), before);
});

test('a page of zeros is data, and costs one small record', () => {
  const { store, disk } = withDisk();
  store.kernel.bytes.fill(0, store.source, store.source + PAGE_BYTES);
  assert.equal(disk.writePage(0, store.source), WriteOutcome.stored);
  assert.equal(disk.commit(), CommitOutcome.done);
  assert.equal(disk.isHole(0), false);
  assert.equal(disk.readPage(0, store.target), ReadOutcome.data);
  assert.ok(store.engine.liveBytes <= 32);
});

test('a write of part of a page keeps the rest, and of a hole makes the rest zeros', () => {
  const { store, disk } = withDisk();
  writeVersion(store.kernel, store.source, 1, 'random');
  disk.writePage(0, store.source);
  disk.commit();
  const old = pageAt(store.kernel, store.source);
  store.kernel.bytes.fill(0xab, store.source, store.source + 512);
  disk.writePart(0, 1024, 512, store.source);
  disk.writePart(1, 4095, 1, store.source);
  disk.commit();
  disk.readPage(0, store.target);
  assert.equal(pageAt(store.kernel, store.target), old.slice(0, 1024) + '\xab'.repeat(512) + old.slice(1536));
  disk.readPage(1, store.target);
  assert.equal(pageAt(store.kernel, store.target), `${'\0'.repeat(4095)}\xab`);
});

test('zeros in part of a page keep the rest; in part of a hole they leave it a hole', () => {
  const { store, disk } = withDisk();
  store.kernel.bytes.fill(0x11, store.source, store.source + PAGE_BYTES);
  disk.writePage(0, store.source);
  disk.zeroPart(0, 0, 100);
  assert.equal(disk.zeroPart(1, 0, 100), WriteOutcome.stored);
  disk.commit();
  disk.readPage(0, store.target);
  assert.equal(pageAt(store.kernel, store.target), '\0'.repeat(100) + '\x11'.repeat(3996));
  assert.ok(disk.isHole(1));
});

test('a full store refuses, keeps everything it has, takes overwrites, and has room again after a flush', () => {
  const { store, disk } = withDisk(1 * MIB);
  const write = (page: number, version: number): WriteOutcome => {
    writeVersion(store.kernel, store.source, version, 'random');
    return disk.writePage(page, store.source);
  };
  let stored = 0;
  while (write(stored, stored) === WriteOutcome.stored && disk.commit() === CommitOutcome.done) stored++;
  assert.ok(stored > 100, `${stored} pages fit into a MiB`);
  assert.equal(write(stored, stored), WriteOutcome.full);
  assert.ok(disk.isHole(stored));
  for (let page = 0; page < stored; page++) {
    assert.equal(write(page, page + 1000), WriteOutcome.stored);
    assert.equal(disk.commit(), CommitOutcome.done);
  }
  for (let page = 0; page < stored; page++) {
    assert.equal(disk.readPage(page, store.target), ReadOutcome.data);
    writeVersion(store.kernel, store.source, page + 1000, 'random');
    assert.equal(pageAt(store.kernel, store.target), pageAt(store.kernel, store.source));
  }
  disk.flushPages(0, 10);
  assert.equal(disk.commit(), CommitOutcome.done);
  assert.equal(write(stored, stored), WriteOutcome.stored);
  assert.ok(store.engine.segments.occupiedBytes <= 1 * MIB);
});

test('a page that fails verification is damaged, whole and in part, and can be written anew', () => {
  const files = new MemorySegmentFiles();
  const { store, disk } = withDisk(4 * MIB, files);
  writeVersion(store.kernel, store.source, 1, 'random');
  disk.writePage(0, store.source);
  disk.commit();
  for (const { slot } of files.list()) files.fileOf(slot).fill(0xff, 1000, 2000);
  assert.equal(disk.readPage(0, store.target), ReadOutcome.damaged);
  assert.equal(disk.readPart(0, 0, 512, store.target), ReadOutcome.damaged);
  assert.equal(disk.writePart(0, 0, 512, store.source), WriteOutcome.damaged);
  assert.equal(disk.zeroPart(0, 0, 512), WriteOutcome.damaged);
  assert.equal(disk.writePage(0, store.source), WriteOutcome.stored);
  assert.equal(disk.commit(), CommitOutcome.done);
  assert.equal(disk.readPage(0, store.target), ReadOutcome.data);
  assert.ok(store.engine.verifyFailures >= 3);
});

test('a disk behaves as an array of bytes, whatever is written, zeroed, flushed and read', () => {
  const { store, disk } = withDisk();
  const prng = seededPrng(5);
  const pages = 16;
  const bytes = Buffer.alloc(pages * PAGE_BYTES);
  for (let step = 0; step < 4000; step++) {
    const page = prng.below(pages);
    const start = prng.below(PAGE_BYTES);
    const length = 1 + prng.below(PAGE_BYTES - start);
    const at = page * PAGE_BYTES;
    writeVersion(store.kernel, store.source, step, 'random');
    const source = Buffer.from(store.kernel.bytes.subarray(store.source, store.source + PAGE_BYTES));
    switch (prng.below(7)) {
      case 0:
        disk.writePage(page, store.source);
        source.copy(bytes, at);
        break;
      case 1:
      case 2:
        disk.writePart(page, start, length, store.source);
        source.copy(bytes, at + start, 0, length);
        break;
      case 3:
        disk.zeroPart(page, start, length);
        bytes.fill(0, at + start, at + start + length);
        break;
      case 4:
        disk.flushPages(page, 1);
        bytes.fill(0, at, at + PAGE_BYTES);
        break;
      case 5:
        assert.equal(disk.commit(), CommitOutcome.done);
        break;
      default: {
        store.kernel.bytes.fill(0, store.target, store.target + PAGE_BYTES);
        disk.readPart(page, start, length, address(store.target));
        const read = Buffer.from(store.kernel.bytes.subarray(store.target, store.target + length));
        assert.equal(Buffer.compare(read, bytes.subarray(at + start, at + start + length)), 0, `step ${step}`);
      }
    }
    if (step % 20 === 19) assert.equal(disk.commit(), CommitOutcome.done);
  }
});

function withDisk(
  capacityBytes: number = 4 * MIB,
  files = new MemorySegmentFiles(),
): { store: SmallStore; disk: Preswap } {
  const store = openSmallStore(files, { capacityBytes, segmentBytes: 64 * KIB });
  const { tmem, kernel } = store;
  const client = tmem.client('vm1');
  const pool = client.pools[tmem.createPool(client, 'swap0', PERSISTENT_PRIVATE)]!;
  const layer = new HostedLayer(tmem, pool);
  const scratch = kernel.allocate(PAGE_BYTES);
  return { store, disk: new Preswap({ sizeBytes: 64 * MIB, layer, memory: kernel, scratch }) };
}
