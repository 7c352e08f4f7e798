/** Tombstones of ranges that cleaning moves: they flush what they flushed, nothing newer, and do not multiply. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { TestEngine } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { LogWriter, type StagingUse } from './log-writer.js';

/** A page that does not compress, and one that repeats a word. */
const raw = (version: number): number => 1 + 4 * version;
const filled = (version: number): number => 4 * version;

/** Of a neighbour: in the oldest segment, never touched again, so that no tombstone ever grows too old to matter. */
const OLD_PAGE = 20_000;
const CHURNED_PAGE = 30_000;

/** Overwrites a page of its own until everything that is cheap to clean has been cleaned, some of it several times. */
function churn(store: TestEngine, puts: number): void {
  for (let put = 1; put <= puts; put++) {
    assert.ok(store.store(CHURNED_PAGE + (put % 5), versionedPage(put % 5, raw(put))));
    store.engine.catchUp();
    store.engine.maintain(0.1, true);
  }
}

test('a range that moves covers what was stored before it, and nothing that was written since, in this life and later', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 40 });
  assert.ok(store.store(OLD_PAGE, versionedPage(OLD_PAGE, raw(1))));
  for (let page = 0; page < 48; page++)
    assert.ok(store.store(page, versionedPage(page, page < 40 ? raw(1) : filled(1))));
  store.flush(0, 64);
  assert.ok(store.store(50, versionedPage(50, filled(2))));
  for (let page = 0; page < 48; page += 2) assert.ok(store.store(page, versionedPage(page, filled(3))));
  const written = store.engine.writtenBytes;
  churn(store, 400);
  assert.ok(store.engine.writtenBytes > written + 400 * 4128, 'segments were cleaned');
  for (const each of [store, new TestEngine(files, { segments: 40 })]) {
    for (let page = 0; page < 64; page++) {
      const expected = page === 50 ? filled(2) : page < 48 && page % 2 === 0 ? filled(3) : undefined;
      const got = each.get(page);
      if (expected === undefined) assert.equal(got, 'missing', `page ${page}`);
      else assert.ok(typeof got !== 'string' && got.equals(versionedPage(page, expected)), `page ${page}`);
    }
    const old = each.get(OLD_PAGE);
    assert.ok(typeof old !== 'string' && old.equals(versionedPage(OLD_PAGE, raw(1))));
  }
});

test('ranges that overlap do not multiply when they move, however the pages in them are stored', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 60 });
  const pages = 8192;
  // So many that nothing is cleaned before the pages are there, and then not by age.
  for (let page = 0; page < 150; page++) assert.ok(store.store(OLD_PAGE + page, versionedPage(page, raw(1))));
  for (let round = 1; round <= 16; round++) {
    assert.ok(store.store(0, versionedPage(0, raw(round))));
    store.flush(0, pages);
    assert.ok(store.commit());
  }
  for (let page = 0; page < pages; page += 2) assert.ok(store.put(page, versionedPage(page, filled(1))));
  assert.ok(store.commit());
  const longest = Math.max(
    ...Array.from({ length: 600 }, () => {
      const before = store.engine.writtenBytes;
      churn(store, 1);
      return store.engine.writtenBytes - before;
    }),
  );
  assert.ok(longest < 128 * 1024, `${longest} bytes written behind one put`);
  assert.ok(store.engine.segments.tombstoneBytes <= 16 * 48, `${store.engine.segments.tombstoneBytes} bytes`);
  const later = new TestEngine(files, { segments: 60 });
  for (let page = 0; page < pages; page++) assert.equal(later.has(page), page % 2 === 0);
});

test('a tombstone counts where it was written, however often the writing of its copy failed', () => {
  const files = new FailingFiles();
  const store = new TestEngine(files, { segments: 40 });
  for (let page = 0; page < 20; page++) assert.ok(store.store(OLD_PAGE + page, versionedPage(page, raw(1))));
  for (let page = 0; page < 8; page++) assert.ok(store.store(page, versionedPage(page, raw(1))));
  store.flush(0, 4);
  store.flush(5);
  assert.ok(store.commit());
  const bytes = store.engine.segments.tombstoneBytes;
  assert.equal(bytes, 48 + 32);
  for (let put = 1; put < 300; put++) {
    store.store(CHURNED_PAGE + (put % 5), versionedPage(put % 5, raw(put)));
    // Of a commit that fails the wiping is to succeed.
    if (put % 3 === 0) files.failures = 1;
    store.engine.maintain(0.1, true);
    files.failures = 0;
    assert.ok(store.engine.segments.tombstoneBytes <= bytes, `put ${put}`);
  }
  const later = new TestEngine(files, { segments: 40 });
  for (let page = 0; page < 8; page++) assert.equal(later.has(page), page === 4 || page > 5);
});

test('cleaning that finds no room goes on with the record that found none: no tombstone moves twice, no page is left', (t) => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 60 });
  for (let page = 0; page < 60; page++) assert.ok(store.store(OLD_PAGE + page, versionedPage(page, raw(1))));
  for (let n = 0; n < 20; n++) {
    assert.ok(store.store(n, versionedPage(n, filled(n + 1))));
    assert.ok(store.store(100 + n, versionedPage(n, raw(n))));
    store.flush(100 + n, 2);
    assert.ok(store.commit());
  }
  const { engine } = store;
  // Each of them once, and once more while its segment is being cleaned.
  const bytes = 2 * 20 * 48;
  // Every second time there is no room; the next time there is.
  let asked = 0;
  const stage = Reflect.get(LogWriter.prototype, 'stage');
  t.mock.method(LogWriter.prototype, 'stage', function (this: LogWriter, use: StagingUse) {
    return use === 'upkeep' && ++asked % 2 === 1 ? undefined : stage.call(this, use);
  });
  for (let put = 1; put <= 400; put++) {
    assert.ok(store.store(CHURNED_PAGE + (put % 5), versionedPage(put % 5, raw(put))));
    engine.catchUp();
    engine.maintain(0.1, true);
    assert.ok(engine.segments.tombstoneBytes <= bytes, `${engine.segments.tombstoneBytes} bytes after ${put} puts`);
  }
  assert.ok(asked > 40, `asked ${asked} times`);
  for (const each of [store, new TestEngine(files, { segments: 60 })]) {
    for (let n = 0; n < 20; n++) {
      const got = each.get(n);
      assert.ok(typeof got !== 'string' && got.equals(versionedPage(n, filled(n + 1))), `page ${n}`);
      assert.equal(each.get(100 + n), 'missing');
    }
  }
});

test('a flush of what is not stored writes nothing, in the middle of a batch too', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  assert.ok(store.store(1, versionedPage(1, raw(1))));
  assert.ok(store.put(2, versionedPage(2, raw(1))));
  store.flush(10, 100);
  assert.ok(store.commit());
  assert.equal(store.engine.segments.tombstoneBytes, 0);
  assert.ok(store.put(12, versionedPage(12, raw(1))));
  store.flush(10, 100);
  assert.ok(store.commit());
  assert.equal(store.get(12), 'missing');
});

test('however often a batch flushes the same range, there is one tombstone for each time that it held a page', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  assert.ok(store.store(1, versionedPage(1, raw(1))));
  for (let n = 0; n < 50; n++) store.flush(0, 100);
  assert.ok(store.put(2, versionedPage(2, raw(2))));
  for (let n = 0; n < 50; n++) store.flush(0, 90);
  assert.ok(store.commit());
  assert.equal(store.engine.segments.tombstoneBytes, 2 * 48);
  for (const page of [1, 2]) assert.equal(store.get(page), 'missing');
});
