import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LingeringFiles } from '../../test/support/lingering-files.js';
import { TestEngine } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { seededPrng } from '../base/prng.js';
import { KIB } from '../base/units.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';

/** Segments that take several steps to clean, with puts between them. */
const SEGMENT_BYTES = 512 * KIB;
const SEGMENTS = 12;

for (let seed = 1; seed <= Number(process.env['TMEM_SEEDS'] ?? 3); seed++) {
  test(`a store that is full takes every overwrite that does not grow, and every flush (seed ${seed})`, () => {
    const prng = seededPrng(seed);
    const files = new MemorySegmentFiles();
    const store = new TestEngine(files, { segments: SEGMENTS, segmentBytes: SEGMENT_BYTES });
    const versions: number[] = [];
    const put = (page: number, version: number): boolean => store.put(page, versionedPage(page, 1 + 4 * version));
    while (put(versions.length, 1) && store.commit()) versions.push(1);
    assert.ok(versions.length * 4128 > 0.6 * SEGMENTS * SEGMENT_BYTES, `${versions.length} pages`);
    // Tombstones need room too: some 3 % of the live bytes before they are cleaned away.
    const removed = Math.ceil(versions.length * 0.06);
    versions.length -= removed;
    store.flush(versions.length, removed);
    assert.ok(store.commit());

    for (let batch = 0, version = 2; batch < 1500; batch++) {
      for (let operations = 1 + prng.below(60); operations > 0; operations--) {
        const page = prng.below(versions.length);
        if (prng.below(8) === 0) {
          store.flush(page);
          assert.ok(put(page, ++version), `batch ${batch}: what was flushed may come back`);
        } else {
          assert.ok(put(page, ++version), `batch ${batch}: an overwrite is taken`);
        }
        versions[page] = version;
      }
      if (prng.below(10) === 0) store.flush(prng.below(versions.length), 1 + prng.below(3));
      assert.ok(store.commit());
      for (const page of versions.keys()) if (!store.has(page)) assert.ok(put(page, versions[page]!));
      assert.ok(store.commit());
      if (prng.below(50) === 0) store.engine.maintain(0.1, true);
      assert.ok(files.occupiedBytes <= SEGMENTS * SEGMENT_BYTES);
    }
    for (const [page, version] of versions.entries()) {
      const got = store.get(page);
      assert.ok(typeof got !== 'string' && got.equals(versionedPage(page, 1 + 4 * version)), `page ${page}`);
    }
  });
}

test('where the store catches up behind each batch, the next one writes its own pages and nothing else', () => {
  for (const batchPages of [1, 16, 64]) {
    const prng = seededPrng(batchPages);
    const files = new MemorySegmentFiles();
    const store = new TestEngine(files, { segments: 60, segmentBytes: SEGMENT_BYTES });
    const pages = 3000;
    for (let page = 0; page < pages; page++) assert.ok(store.store(page, versionedPage(page, 1)));
    const moved = { behind: 0, before: 0 };
    for (let put = 0; put < 40_000; put += batchPages) {
      const before = store.engine.writtenBytes;
      for (let page = 0; page < batchPages; page++) store.put(prng.below(pages), versionedPage(put % 7, 1 + 4 * put));
      assert.ok(store.commit());
      const committed = store.engine.writtenBytes;
      store.engine.catchUp();
      if (put < 20_000) continue;
      // A record of a raw page takes 4128 bytes, the name of its object in a new segment less than 128.
      moved.before += Math.max(0, committed - before - batchPages * 4128 - 128);
      moved.behind += store.engine.writtenBytes - committed;
    }
    assert.ok(moved.behind > 20_000 * 1000, `${moved.behind} bytes moved`);
    assert.ok(moved.before < moved.behind / 20, `batches of ${batchPages}: ${moved.before} of ${moved.behind} before`);
  }
});

test('that holds on a file system that is full of something else as well', () => {
  const prng = seededPrng(5);
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 60, segmentBytes: SEGMENT_BYTES });
  const pages = 1500;
  for (let page = 0; page < pages; page++) assert.ok(store.store(page, versionedPage(page, 1)));
  files.roomBytes = files.occupiedBytes;
  let moved = 0;
  for (let put = 0; put < 12_000; put++) {
    const before = store.engine.writtenBytes;
    assert.ok(store.store(prng.below(pages), versionedPage(put % 7, 1 + 4 * put)));
    if (put >= 6000) moved += Math.max(0, store.engine.writtenBytes - before - 4128 - 128);
    store.engine.catchUp();
  }
  assert.ok(moved < (6000 * 4128) / 20, `${moved} bytes moved while puts waited`);
});

test('flushes are never refused, however full the store and however many they are', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const prng = seededPrng(seed);
    const files = new MemorySegmentFiles();
    const store = new TestEngine(files, { segments: SEGMENTS, segmentBytes: SEGMENT_BYTES });
    const share = 2 + prng.below(8);
    const pages = 900 + prng.below(900);
    let refused = 0;
    for (let batch = 0, version = 1; batch < 400; batch++) {
      for (let operations = 1 + prng.below(64); operations > 0; operations--) {
        const page = prng.below(pages);
        if (prng.below(share) === 0) store.flush(page, 1 + prng.below(3));
        else if (!store.put(page, versionedPage(page, 4 * ++version + 1))) refused++;
      }
      assert.ok(store.commit());
    }
    assert.ok(files.occupiedBytes <= SEGMENTS * SEGMENT_BYTES);
    if (pages > 1600 && share > 6) assert.ok(refused > 0, 'it was full');
  }
});

test('when its file system is full the store takes overwrites, however it came to be as large as it is', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const prng = seededPrng(seed);
    const files = new MemorySegmentFiles();
    const store = new TestEngine(files, { segments: 40, segmentBytes: SEGMENT_BYTES });
    const pages = 50 + prng.below(1500);
    for (let page = 0; page < pages; page++) assert.ok(store.store(page, versionedPage(page, 1)));
    // Compacted, or not.
    if (seed % 2 === 0) store.settle();
    files.roomBytes = files.occupiedBytes;
    let growing = pages;
    while (store.store(growing, versionedPage(growing, 1))) growing++;
    for (let put = 1; put < 4000; put++) {
      const page = prng.below(growing);
      assert.ok(store.store(page, versionedPage(page, 4 * put + 1)), `seed ${seed}: overwrite ${put} of ${growing}`);
    }
    files.roomBytes = Infinity;
    let refused = 0;
    while (!store.store(growing, versionedPage(growing, 1))) assert.ok(++refused < 100, 'room is found again');
  }
});

test('what was given back and is not gone yet is no reason to refuse', () => {
  const files = new LingeringFiles();
  const store = new TestEngine(files, { segments: 40, segmentBytes: SEGMENT_BYTES });
  let pages = 0;
  while (store.store(pages, versionedPage(pages, 1))) pages++;
  const trimmed = Math.ceil(pages / 8);
  store.flush(0, trimmed);
  assert.ok(store.commit());
  store.settle();
  assert.ok(store.engine.segments.filesKept < 40 && store.engine.segments.files === 40, 'files are on their way out');
  for (let page = 0; page < trimmed - 1; page++) {
    assert.ok(store.store(page, versionedPage(page, 5)), `page ${page} of ${trimmed}`);
  }
  assert.ok(files.occupiedBytes <= 40 * SEGMENT_BYTES);
});
