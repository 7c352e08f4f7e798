/** What the files answer with an error instead of bytes is damage like any other, and as little of it as can be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestEngine } from '../../test/support/test-engine.js';
import { UnreadableFiles } from '../../test/support/unreadable-files.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { TmemError } from '../base/errors.js';
import { segmentSlot, type SegmentSlot } from '../base/ids.js';
import { KIB } from '../base/units.js';
import { checkEngine } from './check.js';
import { RECORD_HEADER_BYTES } from './record.js';

/** A page that does not compress. */
const raw = (page: number, version = 1): Buffer => versionedPage(page, 4 * version + 1);

/** So that one read of the segment reader holds many pages. */
const LARGE = { segments: 12, segmentBytes: 256 * KIB };

/** Those that {@link churn} does not overwrite. */
const KEPT = [0, 4, 8, 12, 16, 18, 19, 20, 21, 22, 24, 28, 32];

test('a page whose bytes cannot be read is damaged, counted, and whole again when it is overwritten', () => {
  const { files, store } = withPages(3);
  const [slot, at] = find(files, raw(1));
  files.spoil(slot, at + 4000);
  assert.equal(store.get(1), 'damaged');
  assert.equal(store.engine.verifyFailures, 1);
  isPage(store, 0, raw(0));
  assert.ok(store.store(1, raw(1, 2)));
  isPage(store, 1, raw(1, 2));
  assert.equal(store.engine.verifyFailures, 1);
});

test('cleaning goes around a block that cannot be read: its pages are damaged, all others are moved', () => {
  const { files, store, slot } = withSpoiltSegment();
  churn(store);
  assert.equal(store.engine.segments.liveBytesOf(slot), 0, 'the segment was cleaned');
  const damaged = damagedOf(store, KEPT);
  assert.ok(damaged.length >= 1 && damaged.length <= 2, `${damaged.length} pages`);
  assert.ok(damaged.includes(20));
  const again = new TestEngine(files, LARGE);
  assert.deepEqual(damagedOf(again, KEPT), damaged, 'a life later too');
});

test('a segment that could not be read wholly is not written to again: its file is given back', () => {
  const { files, store, slot } = withSpoiltSegment();
  const removed: SegmentSlot[] = [];
  const remove = files.remove.bind(files);
  files.remove = (gone, done) => {
    removed.push(gone);
    remove(gone, done);
  };
  churn(store);
  assert.deepEqual(removed.slice(0, 1), [slot]);
  assert.ok(store.store(0, raw(0, 2)), 'life goes on');
});

test('a recovery over a block that cannot be read refuses the arena and names the place', () => {
  for (const stops of [true, false]) {
    const { files, store } = withPages(20);
    const [slot, at] = find(files, raw(9));
    if (stops) store.engine.close();
    files.spoil(slot, at + 2000);
    const block = Math.floor((at + 2000) / 4096) * 4096;
    assert.throws(
      () => new TestEngine(files),
      ({ code, message }: TmemError) => {
        const place = /^segment (\d+) at byte (\d+): its bytes cannot be read/.exec(message);
        assert.ok(place !== null, message);
        assert.equal(Number(place[1]), slot);
        assert.ok(Math.abs(Number(place[2]) - block) <= 4096 + RECORD_HEADER_BYTES);
        return code === 'E_ARENA_DAMAGED';
      },
    );
  }
});

test('a log that was not closed and cannot be read at its end is refused: it may not have been torn there', () => {
  const { files, store } = withPages(3);
  assert.ok(store.store(1, raw(1, 2)));
  const [slot, at] = find(files, raw(1, 2));
  files.spoil(slot, at - RECORD_HEADER_BYTES);
  assert.throws(() => new TestEngine(files), isDamage);
});

test('a page at the end of the log whose header alone can be read is damaged, not what it was before', () => {
  const files = new UnreadableFiles();
  const store = new TestEngine(files, LARGE);
  // Until its payload is a block of its own, so that what stands behind it can be read.
  let slot = segmentSlot(0);
  let at = 1;
  for (let version = 1; at % 4096 !== 0; version++) {
    assert.ok(version < 2000, 'it never comes to stand there');
    assert.ok(store.store(3, versionedPage(3, 4 * version + 2)));
    assert.ok(store.store(1, raw(1, version)));
    [slot, at] = find(files, raw(1, version));
  }
  files.spoil(slot, at);
  const again = new TestEngine(files, LARGE);
  assert.equal(again.get(1), 'damaged');
  assert.ok(again.store(0, raw(0, 2)));
  assert.equal(new TestEngine(files, LARGE).get(1), 'damaged', 'a life later too');
});

test('a segment whose header cannot be read refuses the arena, full or free', () => {
  const { files, store } = withPages(20);
  store.engine.close();
  for (const { slot } of files.list()) {
    const copy = new UnreadableFiles();
    for (const each of files.list()) {
      copy.create(each.slot, each.bytes);
      copy.fileOf(each.slot).set(files.fileOf(each.slot));
    }
    copy.spoil(slot, 0);
    assert.throws(() => new TestEngine(copy), isDamage);
  }
});

test('a check of an arena with a block that cannot be read names the pages and the place', () => {
  const { files, store } = withPages(20);
  store.engine.close();
  const [slot, at] = find(files, raw(9));
  files.spoil(slot, at + 2000);
  store.kernel.reset();
  const { recovered, badPages } = checkEngine(store.kernel, files);
  assert.equal(recovered.damage.length, 1);
  assert.equal(recovered.damage[0]!.slot, slot);
  assert.ok(badPages.every(({ index }) => index >= 8 && index <= 10));
  assert.ok(recovered.pages >= 17);
});

function withPages(pages: number): { files: UnreadableFiles; store: TestEngine } {
  const files = new UnreadableFiles();
  const store = new TestEngine(files);
  for (let page = 0; page < pages; page++) assert.ok(store.store(page, raw(page)));
  return { files, store };
}

/** Pages 0 to 49 in a segment or two, of which the block of page 20 cannot be read any more. */
function withSpoiltSegment(): { files: UnreadableFiles; store: TestEngine; slot: SegmentSlot } {
  const files = new UnreadableFiles();
  const store = new TestEngine(files, LARGE);
  for (let page = 0; page < 50; page++) assert.ok(store.store(page, raw(page)));
  const [slot, at] = find(files, raw(20));
  files.spoil(slot, at + 100);
  return { files, store, slot };
}

/** Overwrites all pages but those of {@link KEPT}, until every segment was cleaned. */
function churn(store: TestEngine): void {
  for (let put = 0; put < 1000; put++) {
    const page = put % 100;
    if (!KEPT.includes(page)) assert.ok(store.store(page, raw(page, put)));
  }
  store.settle();
}

function damagedOf(store: TestEngine, pages: readonly number[]): number[] {
  return pages.filter((page) => {
    if (store.get(page) === 'damaged') return true;
    isPage(store, page, raw(page));
    return false;
  });
}

function isPage(store: TestEngine, page: number, content: Buffer): void {
  const got = store.get(page);
  assert.ok(typeof got !== 'string' && got.equals(content), `page ${page} is ${String(got).slice(0, 10)}`);
}

function isDamage(error: unknown): boolean {
  return error instanceof TmemError && error.code === 'E_ARENA_DAMAGED';
}

/** Where these bytes stand in the files. */
function find(files: UnreadableFiles, bytes: Buffer): [slot: SegmentSlot, at: number] {
  for (const { slot } of files.list()) {
    const at = Buffer.from(files.fileOf(slot).buffer).indexOf(bytes);
    if (at !== -1) return [segmentSlot(slot), at];
  }
  throw new Error('the bytes are in no file');
}
