/** Pages of ephemeral pools: as good as any while the process lives, and gone with it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { TestEngine } from '../../test/support/test-engine.js';
import { UnreadableFiles } from '../../test/support/unreadable-files.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { checkEngine } from './check.js';
import { GetOutcome } from './get-outcome.js';
import { PutOutcome } from './put-outcome.js';
import { loadKernel } from './kernel.js';
import { NO_CELL } from './page-table.js';
import { EPHEMERAL_NUMBERS, type StoredObject } from './stored-object.js';

const ONE = pageIndex(1);

test('an ephemeral page is got as it was put, through cleaning too, until it is flushed', () => {
  const store = new Ephemeral(new MemorySegmentFiles());
  const prng = seededPrng(3);
  const versions = new Map<number, number>();
  for (let version = 1; version < 3000; version++) {
    const page = prng.below(20);
    if (prng.below(5) === 0) {
      store.engine.flushPage(store.ephemeral, pageIndex(page));
      versions.delete(page);
    } else {
      assert.equal(store.putEphemeral(page, versionedPage(page, version)), PutOutcome.stored);
      versions.set(page, version);
    }
    if (prng.below(3) > 0) assert.ok(store.commit());
    const other = prng.below(20);
    const kept = versions.get(other);
    assert.equal(
      store.getEphemeral(other),
      kept === undefined ? 'missing' : versionedPage(other, kept).toString('latin1'),
    );
  }
  assert.equal(store.engine.segments.tombstoneBytes, 0, 'nothing is left to say of what was flushed');
});

test('R13: a restart finds no ephemeral page, and every persistent one beside them', () => {
  const files = new MemorySegmentFiles();
  const store = new Ephemeral(files);
  for (let page = 0; page < 8; page++) {
    store.putEphemeral(page, versionedPage(page, 1));
    store.put(page, versionedPage(page, 2));
  }
  assert.ok(store.commit());
  const { liveBytes } = store.object.pool.objects.size > 0 ? store.engine : assert.fail();
  const again = new TestEngine(files);
  assert.deepEqual([...again.engine.pools].length, 1);
  assert.equal(again.engine.liveBytes, liveBytes - store.ephemeral.pool.storedBytes);
  for (let page = 0; page < 8; page++) assert.deepEqual(again.get(page), versionedPage(page, 2));
});

test('an object that comes after a restart never shows the pages of one that had its number before', () => {
  const files = new MemorySegmentFiles();
  const store = new Ephemeral(files);
  store.putEphemeral(1, versionedPage(1, 1));
  assert.ok(store.commit());
  const again = new Ephemeral(files);
  assert.equal(again.ephemeral.number, store.ephemeral.number);
  assert.equal(again.getEphemeral(1), 'missing');
});

test('a flush of an ephemeral page holds, and a put does not, where the batch cannot be written', () => {
  const files = new FailingFiles();
  const store = new Ephemeral(files);
  for (const page of [1, 2, 3]) store.putEphemeral(page, versionedPage(page, 1));
  assert.ok(store.commit());
  store.engine.flushPage(store.ephemeral, ONE);
  store.putEphemeral(2, versionedPage(2, 5));
  store.putEphemeral(4, versionedPage(4, 5));
  files.failures = 1;
  assert.equal(store.engine.commit(), CommitOutcome.fault);
  assert.equal(store.getEphemeral(1), 'missing');
  assert.equal(store.getEphemeral(2), versionedPage(2, 1).toString('latin1'));
  assert.equal(store.getEphemeral(4), 'missing');
  assert.equal(store.ephemeral.pages, 2);
  store.engine.flushObject(store.ephemeral);
  assert.equal(store.engine.commit(), CommitOutcome.done);
  assert.equal(store.engine.liveBytes, 0);
});

test('a page is found again from the cell of its entry, and its cell is its own while it is stored', () => {
  const store = new Ephemeral(new MemorySegmentFiles());
  const indexes = [0, 1, 63, 64, 4095, 4096, 2 ** 31, 2 ** 32 - 1];
  for (const index of indexes) store.putEphemeral(index, versionedPage(1, 4));
  assert.equal(store.engine.cellOf(store.ephemeral, ONE), NO_CELL, 'not before it is committed');
  assert.ok(store.commit());
  const cells = new Map(indexes.map((index) => [index, store.engine.cellOf(store.ephemeral, pageIndex(index))]));
  for (let page = 100; page < 200; page++) store.put(page, versionedPage(page, 4));
  store.engine.flushPage(store.ephemeral, pageIndex(64));
  assert.ok(store.commit());
  cells.delete(64);
  for (const [index, cell] of cells) {
    assert.deepEqual(store.engine.pageAt(cell), { object: store.ephemeral, index });
    assert.equal(store.engine.cellOf(store.ephemeral, pageIndex(index)), cell);
    assert.equal(store.engine.storedBytesAt(cell), 32);
  }
});

test('a store that could give up pages has no more room long before one that could not', () => {
  const store = new Ephemeral(new MemorySegmentFiles(), 40);
  let pages = 0;
  while (store.engine.hasRoom) {
    store.put(pages, versionedPage(pages, 1));
    assert.ok(store.commit());
    pages++;
  }
  let more = 0;
  while (store.store(pages + more, versionedPage(1, 1))) more++;
  assert.ok(more > pages / 12 && more < pages / 4, `${pages} pages and ${more} more`);
});

test('a check of the arena passes over them, whole or damaged', () => {
  const files = new MemorySegmentFiles();
  const store = new Ephemeral(files);
  store.put(1, versionedPage(1, 1));
  for (let page = 0; page < 12; page++) store.putEphemeral(page, versionedPage(page, 1));
  assert.ok(store.commit());
  for (const { slot } of files.list()) {
    const file = Buffer.from(files.fileOf(slot).buffer);
    const at = file.indexOf(versionedPage(5, 1));
    if (at !== -1) file[at + 100]! ^= 1;
  }
  store.engine.close();
  const { recovered, badPages } = checkEngine(loadKernel({ memoryBytes: 2 * 1024 * 1024 }), files);
  assert.deepEqual([recovered.pages, recovered.damage, badPages], [1, [], []]);
});

test('one that cannot be read is damaged, survives no cleaning as another page, and is flushed like any', () => {
  const files = new UnreadableFiles();
  const store = new Ephemeral(files);
  for (let page = 0; page < 20; page++) store.putEphemeral(page, versionedPage(page, 1));
  assert.ok(store.commit());
  for (const { slot } of files.list()) {
    const at = Buffer.from(files.fileOf(slot).buffer).indexOf(versionedPage(5, 1));
    if (at !== -1) files.spoil(slot, at);
  }
  for (let round = 0; round < 400; round++) {
    assert.equal(store.putEphemeral(30 + (round % 3), versionedPage(round, 1)), PutOutcome.stored);
    assert.ok(store.commit());
  }
  store.settle();
  assert.equal(store.engine.get(store.ephemeral, pageIndex(5), store.page), GetOutcome.damaged);
  assert.equal(store.getEphemeral(12), versionedPage(12, 1).toString('latin1'));
  store.engine.flushPage(store.ephemeral, pageIndex(5));
  assert.ok(store.commit());
  assert.equal(store.getEphemeral(5), 'missing');
});

class Ephemeral extends TestEngine {
  readonly ephemeral: StoredObject;

  constructor(files: MemorySegmentFiles, segments = 8) {
    super(files, { segments });
    const pool = this.engine.createPool(new TextEncoder().encode('cache'), false);
    this.ephemeral = this.engine.createObject(pool, new TextEncoder().encode('object'));
    assert.ok(this.ephemeral.number >= EPHEMERAL_NUMBERS);
  }

  putEphemeral(index: number, page: Uint8Array): PutOutcome {
    this.kernel.bytes.set(page, this.page);
    return this.engine.put(this.ephemeral, pageIndex(index), this.page);
  }

  getEphemeral(index: number): string {
    const outcome = this.engine.get(this.ephemeral, pageIndex(index), this.page);
    if (outcome === GetOutcome.miss) return 'missing';
    assert.equal(outcome, GetOutcome.hit);
    return Buffer.from(this.kernel.bytes.subarray(this.page, this.page + 4096)).toString('latin1');
  }
}
