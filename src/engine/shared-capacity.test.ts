/** Stores that share one capacity, as the shards of an arena do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LingeringFiles } from '../../test/support/lingering-files.js';
import { TestEngine } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { seededPrng } from '../base/prng.js';
import { SharedBudget } from '../base/shared-budget.js';
import { KIB } from '../base/units.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { loadKernel } from './kernel.js';
import { YieldOutcome } from './space.js';

const SEGMENT_BYTES = 64 * KIB;
const SEGMENTS = 40;
/** Of the log that a raw page takes. */
const RECORD_BYTES = 4128;

test('together they never take more than the capacity, and what one has given back the other can have', () => {
  const { stores, files, budget } = twoStores();
  const [a, b] = stores;
  const inA = fill(a, 0);
  assert.equal(occupied(files) + budget.leftBytes, SEGMENTS * SEGMENT_BYTES);
  assert.ok(inA * RECORD_BYTES > 0.6 * SEGMENTS * SEGMENT_BYTES, `${inA} pages in the first`);
  const inB = fill(b, 0);
  assert.ok(inB < inA / 4, `${inB} pages in the second`);
  assert.ok(occupied(files) <= SEGMENTS * SEGMENT_BYTES);

  a.flush(0, inA);
  assert.ok(a.commit());
  a.settle();
  const more = fill(b, inB);
  assert.ok(more > inA / 2, `${more} pages where the others were`);
  assert.ok(occupied(files) <= SEGMENTS * SEGMENT_BYTES);
  assert.equal(occupied(files) + budget.leftBytes, SEGMENTS * SEGMENT_BYTES);
});

test('a store yields segments until what it stores fits into no fewer, loses nothing, and still takes every overwrite', () => {
  const { stores, budget } = twoStores();
  const [a, b] = stores;
  const pages = fill(a, 0);
  const kept = Math.floor(pages / 2);
  // Every second page, so that all segments have something to keep.
  for (let page = 0; page < pages; page += 2) a.flush(page);
  assert.ok(a.commit());
  const promised = a.engine.room.yieldableBytes(false);
  const before = budget.leftBytes;
  const outcomes = { given: 0, working: 0 };
  for (
    let outcome = a.engine.yieldSegment(false);
    outcome !== YieldOutcome.none;
    outcome = a.engine.yieldSegment(false)
  ) {
    if (outcome === YieldOutcome.given) outcomes.given++;
    else outcomes.working++;
    assert.ok(outcomes.working < 10_000, 'it comes to an end');
  }
  assert.ok(outcomes.given >= SEGMENTS / 4, `${outcomes.given} segments`);
  assert.equal(budget.leftBytes - before, outcomes.given * SEGMENT_BYTES);
  assert.ok(outcomes.given * SEGMENT_BYTES >= promised - SEGMENT_BYTES, `${promised} bytes were promised`);
  assert.equal(a.engine.room.yieldableBytes(false), 0);
  // All of it is the other's now.
  assert.ok(fill(b, 0) * RECORD_BYTES > 0.6 * outcomes.given * SEGMENT_BYTES);
  const prng = seededPrng(3);
  const versions = new Map<number, number>();
  for (let put = 0; put < 2000; put++) {
    const page = 1 + 2 * prng.below(kept);
    if (!a.has(page)) continue;
    assert.ok(a.store(page, versionedPage(page, 5 + 4 * put)), `overwrite ${put}`);
    versions.set(page, 5 + 4 * put);
  }
  for (let page = 1; page < pages; page += 2) {
    const got = a.get(page);
    assert.ok(typeof got !== 'string' && got.equals(versionedPage(page, versions.get(page) ?? 1)), `page ${page}`);
  }
});

test('what one gives up while another waits is not taken back for slack, however much is overwritten meanwhile', () => {
  const { stores, budget } = twoStores();
  const [a, b] = stores;
  const pages = fill(a, 0);
  for (let page = 0; page < pages; page += 3) a.flush(page);
  assert.ok(a.commit());
  fill(b, 0);
  budget.want(true);
  for (let given = 0, steps = 0; given < 3; steps++) {
    if (a.engine.yieldSegment(false) === YieldOutcome.given) given++;
    assert.ok(steps < 100);
  }
  const prng = seededPrng(9);
  for (let put = 0; put < 500; put++) {
    const page = 1 + 3 * prng.below(Math.floor(pages / 3));
    assert.ok(a.store(page, versionedPage(page, 1 + 4 * put)), `overwrite ${put}`);
    a.engine.catchUp();
  }
  assert.equal(budget.leftBytes, 3 * SEGMENT_BYTES);
  assert.ok(fill(b, 1000) > 0);
});

test('a file that the file system has no room for is taken from nobody', () => {
  const { stores, files, budget } = twoStores();
  files[0].roomBytes = files[0].occupiedBytes;
  const left = budget.leftBytes;
  fill(stores[0], 0);
  assert.equal(budget.leftBytes, left);
});

test('what is on its way out counts until it is gone, and is waited for where it is needed', () => {
  const lingering = new LingeringFiles();
  const budget = SharedBudget.of(SEGMENTS * SEGMENT_BYTES);
  const store = new TestEngine(lingering, { segments: SEGMENTS, segmentBytes: SEGMENT_BYTES, budget });
  const pages = fill(store, 0);
  store.flush(0, pages);
  assert.ok(store.commit());
  store.settle();
  assert.equal(lingering.occupiedBytes + budget.leftBytes, SEGMENTS * SEGMENT_BYTES);
  assert.ok(fill(store, 0) >= 0.9 * pages);
  assert.equal(lingering.occupiedBytes + budget.leftBytes, SEGMENTS * SEGMENT_BYTES);
});

test('whether a batch would find room is known before it is refused', () => {
  const { stores } = twoStores();
  const [a, b] = stores;
  assert.ok(a.engine.mayGrow && b.engine.mayGrow);
  const pages = fill(a, 0);
  assert.equal(a.engine.mayGrow, false);
  // The other has its reserve and no segment to write into: one segment more is not enough for it.
  assert.equal(b.engine.mayGrow, false);
  a.flush(0, pages);
  assert.ok(a.commit());
  for (const mayGrow of [false, true]) {
    while (a.engine.yieldSegment(false) !== YieldOutcome.given);
    assert.equal(b.engine.mayGrow, mayGrow);
    assert.equal(b.store(0, versionedPage(0, 1)), mayGrow);
  }
});

test('a capacity that was lowered under what is there lets nothing grow before enough was given back', () => {
  const files = new MemorySegmentFiles();
  const first = new TestEngine(files, { segments: SEGMENTS, segmentBytes: SEGMENT_BYTES });
  const pages = fill(first, 0);
  const lowered = SEGMENTS - 10;
  const budget = SharedBudget.of(lowered * SEGMENT_BYTES - files.occupiedBytes);
  assert.ok(budget.leftBytes < 0);
  const store = new TestEngine(files, { segments: lowered, segmentBytes: SEGMENT_BYTES, budget });
  assert.equal(store.store(pages, versionedPage(pages, 1)), false);
  store.flush(0, Math.floor(pages / 2));
  assert.ok(store.commit());
  store.settle();
  assert.ok(files.occupiedBytes <= lowered * SEGMENT_BYTES);
  assert.ok(store.store(pages, versionedPage(pages, 1)));
});

function twoStores(): {
  stores: [TestEngine, TestEngine];
  files: [MemorySegmentFiles, MemorySegmentFiles];
  budget: SharedBudget;
} {
  const budget = SharedBudget.of(SEGMENTS * SEGMENT_BYTES);
  const files: [MemorySegmentFiles, MemorySegmentFiles] = [new MemorySegmentFiles(), new MemorySegmentFiles()];
  const options = { segments: SEGMENTS, segmentBytes: SEGMENT_BYTES, budget };
  const kernel = loadKernel({ memoryBytes: 2048 * KIB });
  return {
    stores: [new TestEngine(files[0], options), new TestEngine(files[1], { ...options, kernel })],
    files,
    budget,
  };
}

/** Pages of version 1 from `first` on, until one is refused. @returns how many were taken */
function fill(store: TestEngine, first: number): number {
  let page = first;
  while (store.store(page, versionedPage(page, 1))) page++;
  return page - first;
}

function occupied(files: readonly MemorySegmentFiles[]): number {
  return files.reduce((sum, { occupiedBytes }) => sum + occupiedBytes, 0);
}
