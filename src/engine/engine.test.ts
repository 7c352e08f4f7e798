import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { TEST_SEGMENT_BYTES, TestEngine } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex, segmentSlot, type SegmentSlot } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PutOutcome } from './put-outcome.js';
import { RECORD_HEADER_BYTES } from './record.js';

/** A page that does not compress. */
const raw = (page: number, version = 1): Buffer => versionedPage(page, 4 * version + 1);

test('what was put is got, of every kind of page, before and after the commit', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  for (let version = 1; version <= 8; version++) assert.ok(store.put(version, versionedPage(version, version)));
  const check = (): void => {
    for (let version = 1; version <= 8; version++) isPage(store, version, versionedPage(version, version));
    assert.equal(store.get(9), 'missing');
  };
  check();
  assert.ok(store.commit());
  check();
  assert.equal(store.object.pages, 8);
  assert.equal(store.object.pool.sameFilledPages, 2);
});

test('reads inside a batch see the batch, the last operation on a page first', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  store.store(1, raw(1));
  store.store(2, raw(2));
  store.put(1, raw(1, 2));
  isPage(store, 1, raw(1, 2));
  store.flush(1);
  assert.deepEqual([store.get(1), store.has(1)], ['missing', false]);
  store.put(1, raw(1, 3));
  isPage(store, 1, raw(1, 3));
  store.flush(0, 10);
  assert.deepEqual([store.get(1), store.get(2), store.has(2)], ['missing', 'missing', false]);
  store.put(2, raw(2, 4));
  isPage(store, 2, raw(2, 4));
  assert.ok(store.commit());
  assert.equal(store.get(1), 'missing');
  isPage(store, 2, raw(2, 4));
  assert.equal(store.object.pages, 1);
});

test('a commit that fails says whether there was no room or the files failed', () => {
  const outcomes: readonly [code: string, outcome: CommitOutcome][] = [
    ['ENOSPC', CommitOutcome.full],
    ['EDQUOT', CommitOutcome.full],
    ['EFBIG', CommitOutcome.full],
    ['ENOMEM', CommitOutcome.full],
    ['EIO', CommitOutcome.fault],
    ['EBADF', CommitOutcome.fault],
    ['EROFS', CommitOutcome.fault],
  ];
  for (const [code, outcome] of outcomes) {
    const files = new FailingFiles();
    const store = new TestEngine(files);
    store.put(1, raw(1));
    files.failures = 1;
    files.code = code;
    assert.equal(store.engine.commit(), outcome, code);
    assert.equal(store.engine.commit(), CommitOutcome.done, 'an empty batch');
  }
});

test('a batch that was committed early and failed says why, though its end is done', () => {
  const files = new FailingFiles();
  const store = new TestEngine(files, { segments: 12 });
  files.failures = 1;
  for (let page = 0; files.failures > 0; page++) assert.ok(store.put(page, raw(page)));
  assert.equal(store.engine.commit(), CommitOutcome.fault);
});

test('a commit that fails leaves everything as it was, now and after a restart', () => {
  for (let failures = 1; failures <= 1; failures++) {
    const files = new FailingFiles();
    const store = new TestEngine(files);
    for (let page = 0; page < 6; page++) assert.ok(store.store(page, raw(page)));
    const { pool } = store.object;
    const before = [pool.pages, pool.storedBytes, store.engine.liveBytes, store.object.pages];
    store.put(0, raw(0, 2));
    store.put(9, raw(9));
    store.flush(1);
    store.flush(3, 2);
    // The batch fails; taking it back does not.
    files.failures = failures;
    assert.equal(store.commit(), false);
    const check = (each: TestEngine): void => {
      for (let page = 0; page < 6; page++) isPage(each, page, raw(page));
      assert.equal(each.get(9), 'missing');
    };
    check(store);
    assert.deepEqual([pool.pages, pool.storedBytes, store.engine.liveBytes, store.object.pages], before);
    assert.equal(pool.pendingBytes, 0);
    check(new TestEngine(files));
  }
});

test('after a commit that failed the next one may succeed, and is all there is', () => {
  const files = new FailingFiles();
  const store = new TestEngine(files);
  for (let round = 0; round < 20; round++) {
    store.put(1, raw(1, round));
    store.put(round + 10, raw(round + 10));
    files.failures = round % 2;
    assert.equal(store.commit(), round % 2 === 0);
  }
  const again = new TestEngine(files);
  isPage(again, 1, raw(1, 18));
  for (let round = 0; round < 20; round++) assert.equal(again.has(round + 10), round % 2 === 0);
});

test('files that do not even take the failed batch back end the store, and nothing is lost', () => {
  const files = new FailingFiles();
  const store = new TestEngine(files);
  store.store(1, raw(1));
  store.put(1, raw(1, 2));
  files.failures = 2;
  assert.throws(() => store.commit(), { code: 'EIO' });
  files.failures = 0;
  isPage(new TestEngine(files), 1, raw(1));
});

test('a put that is refused stages nothing: the old page stays', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  store.store(1, versionedPage(1, 4));
  assert.equal(store.put(1, raw(1), 1000), false);
  isPage(store, 1, versionedPage(1, 4));
  assert.equal(store.put(70_000, raw(1), 1000), false);
  assert.equal(store.has(70_000), false);
  assert.ok(store.put(1, versionedPage(1, 8), 0), 'what does not grow needs no room');
  assert.ok(store.commit());
  isPage(store, 1, versionedPage(1, 8));
});

test('what does not grow is taken though the pool is over its room', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  store.store(1, raw(1));
  store.store(2, raw(2));
  assert.ok(store.put(1, raw(1, 2), -5000));
  assert.ok(store.put(1, versionedPage(1, 4), -5000), 'what shrinks');
  assert.equal(store.put(3, versionedPage(3, 4), -5000), false);
  assert.ok(store.commit());
  isPage(store, 1, versionedPage(1, 4));
});

test('the room of a pool holds though the batch is committed early', () => {
  for (let most = 5; most < 25; most++) {
    const store = new TestEngine(new MemorySegmentFiles(), { segments: 16 });
    let pages = 0;
    while (store.put(pages, raw(pages), most * 4128 - store.object.pool.storedBytes)) pages++;
    assert.equal(pages, most);
    assert.ok(store.commit());
  }
});

test('the room of a pool counts what the batch has staged', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  const room = 2 * 4128;
  assert.deepEqual(
    [store.put(1, raw(1), room), store.put(2, raw(2), room), store.put(3, raw(3), room)],
    [true, true, false],
  );
  assert.ok(store.put(2, raw(2, 2), room), 'an overwrite of a staged page does not grow');
  store.flush(1);
  assert.ok(store.put(3, raw(3), room), 'what the batch flushes is room');
  assert.ok(store.commit());
  assert.equal(store.object.pool.storedBytes, room);
});

test('the capacity is never exceeded, and a full store holds most of it', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 16 });
  let page = 0;
  while (store.store(page, raw(page))) {
    page++;
    assert.ok(files.occupiedBytes <= 16 * TEST_SEGMENT_BYTES);
  }
  assert.ok(store.engine.liveBytes > 0.5 * 16 * TEST_SEGMENT_BYTES, `${store.engine.liveBytes} bytes`);
  for (let each = 0; each < page; each++) isPage(store, each, raw(each));
});

test('memory is given back after a flush and maintenance', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 32 });
  let pages = 0;
  while (store.store(pages, raw(pages))) pages++;
  const full = files.occupiedBytes;
  store.flush(0, pages - 10);
  assert.ok(store.commit());
  store.settle();
  assert.ok(files.occupiedBytes <= full / 4, `${files.occupiedBytes} of ${full} bytes`);
  assert.equal(files.occupiedBytes, store.engine.segments.occupiedBytes);
  for (let page = 0; page < pages; page++) {
    if (page < pages - 10) assert.equal(store.get(page), 'missing');
    else isPage(store, page, raw(page));
  }
  assert.ok(store.put(0, raw(0)), 'and there is room again');
});

test('cleaning keeps everything: pages, their absence, and the names', () => {
  const prng = seededPrng(5);
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files, { segments: 12 });
  const model = new Map<number, Buffer>();
  for (let operation = 0; operation < 3000; operation++) {
    const page = prng.below(60);
    if (prng.below(5) === 0) {
      store.flush(page);
      model.delete(page);
    } else {
      const content = versionedPage(page, operation + 1);
      assert.ok(store.put(page, content));
      model.set(page, content);
    }
    if (prng.below(3) > 0) continue;
    assert.ok(store.commit());
    if (prng.below(40) === 0) store.settle();
  }
  assert.ok(store.commit());
  assert.ok(store.engine.writtenBytes > 10 * 12 * TEST_SEGMENT_BYTES, 'segments were used many times over');
  const check = (each: TestEngine): void => {
    for (let page = 0; page < 60; page++) {
      const content = model.get(page);
      if (content === undefined) assert.equal(each.get(page), 'missing');
      else isPage(each, page, content);
    }
    assert.equal(each.object.pages, model.size);
  };
  check(store);
  const again = new TestEngine(files, { segments: 12 });
  check(again);
  assert.equal(new TextDecoder().decode(again.object.name), 'object');
});

test('a damaged page is counted and never handed out; an overwrite makes it whole', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files);
  store.store(1, raw(1));
  store.store(2, raw(2));
  const [slot, at] = find(files, raw(1).subarray(100, 200));
  files.fileOf(slot)[at]! ^= 1;
  assert.equal(store.get(1), 'damaged');
  assert.equal(store.get(1), 'damaged');
  assert.equal(store.engine.verifyFailures, 2);
  assert.ok(store.has(1));
  isPage(store, 2, raw(2));
  store.store(1, raw(1, 2));
  isPage(store, 1, raw(1, 2));
  assert.equal(store.engine.verifyFailures, 2);
});

test('a damaged page stays damaged when its segment is cleaned, and after a restart', () => {
  for (const damagesHeader of [false, true]) {
    const files = new MemorySegmentFiles();
    const store = new TestEngine(files);
    store.store(1, raw(1));
    store.store(2, raw(2));
    const [slot, at] = find(files, raw(1).subarray(0, 100));
    files.fileOf(slot).fill(0x77, damagesHeader ? at - RECORD_HEADER_BYTES : at, at + 50);
    for (let round = 0; round < 60; round++) assert.ok(store.store(3 + (round % 5), raw(3, round)));
    store.settle();
    assert.equal(store.get(1), 'damaged');
    isPage(store, 2, raw(2));
    const again = new TestEngine(files);
    assert.equal(again.get(1), 'damaged', 'never "nothing there"');
    isPage(again, 2, raw(2));
    again.flush(1);
    assert.ok(again.commit());
    assert.equal(again.get(1), 'missing');
  }
});

test('a page whose file was cut short is damaged, and shows nothing of another page', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files);
  store.store(1, raw(1));
  store.store(2, raw(2));
  const [slot, at] = find(files, raw(2).subarray(0, 100));
  files.resize(slot, at + 10);
  isPage(store, 1, raw(1));
  assert.equal(store.get(2), 'damaged');
});

test('runs of pages are found by where they end', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  for (const page of [2, 3, 4, 100_000]) assert.ok(store.store(page, versionedPage(page, 4)));
  const endOf = (first: number, end = 2 ** 32): number => store.engine.endOfRun(store.object, first, end);
  assert.deepEqual(
    [endOf(0), endOf(2), endOf(3, 4), endOf(5), endOf(100_000), endOf(100_001)],
    [2, 5, 4, 100_000, 100_001, 2 ** 32],
  );
});

test('a flush of nothing writes nothing; a flush of a stored page writes one tombstone', () => {
  const store = new TestEngine(new MemorySegmentFiles());
  store.store(1, raw(1));
  const { writtenBytes } = store.engine;
  assert.equal(store.engine.flushPage(store.object, pageIndex(2)), false);
  store.engine.flushRange(store.object, pageIndex(2), 1000);
  assert.ok(store.commit());
  assert.equal(store.engine.writtenBytes, writtenBytes);
  assert.equal(store.engine.flushPage(store.object, pageIndex(1)), true);
  assert.ok(store.commit());
  assert.equal(store.engine.writtenBytes, writtenBytes + RECORD_HEADER_BYTES);
});

test('a flushed object and a flushed pool are gone after a restart, and others are not', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files);
  const { engine } = store;
  const name = (text: string): Uint8Array => new TextEncoder().encode(text);
  store.store(1, raw(1));
  const pool = engine.createPool(name('other'));
  const [a, b] = [engine.createObject(pool, name('a')), engine.createObject(pool, name('b'))];
  const from = store.kernel.allocate(4096);
  for (const object of [a, b]) assert.equal(engine.put(object, pageIndex(1), from), PutOutcome.stored);
  engine.flushObject(a);
  assert.equal(engine.commit(), CommitOutcome.done);
  assert.deepEqual([a.pages, b.pages, pool.pages], [0, 1, 1]);
  const names = (each: TestEngine): string[] =>
    [...each.engine.pools].map((found) => new TextDecoder().decode(found.name)).toSorted();
  assert.deepEqual(names(new TestEngine(files)), ['other', 'pool']);

  const second = new TestEngine(files);
  const other = [...second.engine.pools].find((found) => new TextDecoder().decode(found.name) === 'other')!;
  second.engine.flushPool(other);
  assert.ok(second.commit());
  const third = new TestEngine(files);
  assert.deepEqual(names(third), ['pool']);
  isPage(third, 1, raw(1));
});

function isPage(store: TestEngine, page: number, content: Buffer): void {
  const got = store.get(page);
  assert.ok(typeof got !== 'string', `page ${page} is ${typeof got === 'string' ? got : ''}`);
  assert.ok(got.equals(content), `page ${page} is another`);
}

/** Where these bytes stand in the files. */
function find(files: MemorySegmentFiles, bytes: Buffer): [slot: SegmentSlot, at: number] {
  for (const { slot } of files.list()) {
    const at = Buffer.from(files.fileOf(slot).buffer).indexOf(bytes);
    if (at !== -1) return [segmentSlot(slot), at];
  }
  throw new Error('the bytes are in no file');
}
