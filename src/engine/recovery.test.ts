import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_SEGMENT_BYTES, TestEngine } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { TmemError } from '../base/errors.js';
import { type SegmentSlot } from '../base/ids.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { recoverLog } from './recovery.js';

const raw = (page: number, version = 1): Buffer => versionedPage(page, 4 * version + 1);

test('an arena that was never written to is empty', () => {
  const { recovered } = new TestEngine(new MemorySegmentFiles());
  assert.deepEqual([recovered.pages, recovered.records, recovered.damage.length], [0, 0, 0]);
});

test('the tail of a log that was not closed may be torn: what stood before it is back', () => {
  for (const cut of [8, 40, 3000]) {
    const { files, slot, at } = twoVersions();
    files.fileOf(slot).fill(0, at - 32 + cut);
    const store = new TestEngine(files);
    assert.deepEqual(store.get(1), raw(1, 1));
    assert.equal(store.recovered.droppedRecords, cut < 32 ? 0 : 1);
    assert.ok(store.store(1, raw(1, 3)));
    assert.deepEqual(new TestEngine(files).get(1), raw(1, 3), 'the log goes on where it was cut');
  }
});

test('the tail of a log that was closed may not', () => {
  for (const cut of [8, 40, 3000]) {
    const { store, files, slot, at } = twoVersions();
    store.engine.close();
    files.fileOf(slot).fill(0, at - 32 + cut);
    assert.throws(() => new TestEngine(files), isDamage);
  }
});

test('the mark of a closed log is gone with the first change, and made again at the next close', () => {
  const { store, files } = twoVersions();
  store.engine.close();
  const second = new TestEngine(files);
  assert.equal(second.recovered.marked.length, 1);
  assert.equal(new TestEngine(files).recovered.marked.length, 0, 'it died');
  const third = new TestEngine(files);
  third.engine.close();
  assert.equal(new TestEngine(files).recovered.marked.length, 1);
});

test('a header with one wrong byte, whichever it is, is repaired in the file', () => {
  for (let byte = 0; byte < 32; byte++) {
    const { store, files, slot, at } = twoVersions();
    store.engine.close();
    const before = files.fileOf(slot).slice(at - 32, at);
    files.fileOf(slot)[at - 32 + byte]! ^= 1 + byte;
    assert.deepEqual(new TestEngine(files).get(1), raw(1, 2));
    assert.deepEqual(files.fileOf(slot).slice(at - 32, at), before);
  }
});

test('a recovery that is to change nothing changes nothing', () => {
  const { store, files, slot, at } = twoVersions();
  store.engine.close();
  files.fileOf(slot)[at - 20]! ^= 1;
  files.fileOf(slot)[30]! ^= 1;
  const before = files.list().map((file) => files.fileOf(file.slot).slice());
  store.kernel.reset();
  const options = { segmentBytes: TEST_SEGMENT_BYTES, capacityBytes: 0, arena: { low: 0, high: 0 }, readOnly: true };
  assert.equal(recoverLog(store.kernel, files, options).pages, 1);
  assert.deepEqual(
    files.list().map((file) => files.fileOf(file.slot)),
    before,
  );
});

test('an arena never has more than 32,768 files, however small its segments are for the capacity', () => {
  const files = new MemorySegmentFiles();
  assert.ok(new TestEngine(files).store(1, raw(1)));
  const store = new TestEngine(files, { segments: 40_000 });
  assert.deepEqual([store.engine.segments.filesMax, store.engine.segments.slots], [32_768, 32_768]);
});

function twoVersions(): { store: TestEngine; files: MemorySegmentFiles; slot: SegmentSlot; at: number } {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files);
  for (const version of [1, 2]) assert.ok(store.store(1, raw(1, version)));
  for (const { slot } of files.list()) {
    const at = Buffer.from(files.fileOf(slot).buffer).indexOf(raw(1, 2));
    if (at !== -1) return { store, files, slot, at };
  }
  throw new Error('the page is in no file');
}

function isDamage(error: unknown): boolean {
  return error instanceof TmemError && error.code === 'E_ARENA_DAMAGED';
}
