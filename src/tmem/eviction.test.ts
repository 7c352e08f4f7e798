/** Making room: ephemeral pages go, persistent ones never do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { expectVersion, OBJECT, poolOf, put, withPool } from '../../test/support/small-pool.js';
import { writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { KIB, MIB } from '../base/units.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const CAPACITY = 4 * MIB;
/** More raw pages than the store holds. */
const MANY = 1500;

test('R25: ephemeral pages count against nobody’s cap', () => {
  const made = withPool(undefined, EPHEMERAL_PRIVATE);
  made.client.capBytes = 0;
  assert.equal(put(made.store, made.pool, pageIndex(1), 1), TmemStatus.done);
  made.store.tmem.commit();
  assert.deepEqual([made.client.storedBytes, made.client.ephemeralPages], [0, 1]);
});

test('R24, R43: puts into a full store make room by giving up ephemeral pages, the oldest first', () => {
  const { store, pool } = withPool(undefined, EPHEMERAL_PRIVATE);
  fill(store, pool, MANY);
  const { evicted } = pool.statistics;
  assert.equal(pool.statistics.putsDone, MANY);
  assert.equal(pool.pages, MANY - evicted);
  assert.ok(evicted > 300 && evicted < MANY - 300, `${evicted} of ${MANY}`);
  for (let page = 0; page < MANY; page++) {
    assert.equal(pool.has(OBJECT, pageIndex(page)), page >= evicted, `page ${page}`);
  }
  assert.ok(store.engine.segments.occupiedBytes <= CAPACITY);
});

test('R19: a duplicate put leaves the page where it is in the order', () => {
  const { store, pool } = withPool(undefined, EPHEMERAL_PRIVATE);
  fill(store, pool, 700);
  for (const page of [0, 1]) {
    assert.equal(put(store, pool, pageIndex(page), 9), TmemStatus.done);
    store.tmem.commit();
  }
  fill(store, pool, 700, 1000);
  assert.ok(pool.statistics.evicted > 2);
  assert.deepEqual([pool.has(OBJECT, pageIndex(0)), pool.has(OBJECT, pageIndex(1))], [false, false]);
});

test('R29: a hit makes an inclusive page younger: it outlives those that nobody asks for', () => {
  const { store, pool } = withPool(undefined, EPHEMERAL_PRIVATE, { inclusive: true });
  for (let page = 0; page < MANY; page++) {
    fill(store, pool, 1, page);
    for (let wanted = 0; wanted < Math.min(10, page); wanted++) pool.get(OBJECT, pageIndex(wanted), store.target);
  }
  assert.ok(pool.statistics.evicted > 300);
  for (let page = 0; page < 10; page++) assert.ok(pool.has(OBJECT, pageIndex(page)), `page ${page}`);
});

test('R42, R50: persistent pages take the place of ephemeral ones of any client, and never give up theirs', () => {
  const made = withPool(undefined, EPHEMERAL_PRIVATE);
  const { store, pool: cache } = made;
  fill(store, cache, MANY);
  const client = store.tmem.client('vm2');
  const swap = poolOf(store, client, PERSISTENT_PRIVATE);
  let pages = 0;
  while (put(store, swap, pageIndex(pages), pages, 'random') === TmemStatus.done) {
    assert.equal(store.tmem.commit(), CommitOutcome.done);
    pages++;
  }
  store.tmem.commit();
  assert.equal(cache.pages, 0, 'nothing was refused while there was something to give up');
  assert.ok(pages > 700, `${pages} pages`);
  assert.equal(put(store, cache, pageIndex(1), 1, 'random'), TmemStatus.noMemory);
  store.tmem.commit();
  assert.deepEqual([swap.pages, swap.statistics.evicted], [pages, 0]);
  for (let page = 0; page < pages; page++) expectVersion(store, swap, pageIndex(page), page, 'random');
});

test('R49: pages that free too little are given up so many at a time: the put may fail, and soon one succeeds', () => {
  const { store, pool } = withPool(undefined, EPHEMERAL_PRIVATE);
  for (let page = 0; store.engine.hasRoom; page++) {
    assert.equal(put(store, pool, pageIndex(page), page, 'filled'), TmemStatus.done);
    if (page % 64 === 63) store.tmem.commit();
  }
  store.tmem.commit();
  const before = pool.pages;
  let refused = 0;
  while (put(store, pool, pageIndex(2 ** 31 + refused), 1, 'random') !== TmemStatus.done) refused++;
  store.tmem.commit();
  assert.ok(
    before - pool.pages <= 64 * (refused + 1) && refused < 10,
    `${before - pool.pages} pages, ${refused} refused`,
  );
});

test('R52: freeable is what ephemeral pages take, and what holds nothing; persistent pages are no part of it', () => {
  const { store, client, pool } = withPool(undefined, EPHEMERAL_PRIVATE);
  const nothing = store.tmem.freeableBytes;
  fill(store, pool, 100);
  const { storedBytes } = pool.stored;
  const spare = store.engine.spareBytes;
  assert.equal(store.tmem.freeableBytes, storedBytes + spare);
  const swap = poolOf(store, client, PERSISTENT_PRIVATE);
  fill(store, swap, 100);
  assert.equal(store.tmem.freeableBytes, storedBytes + store.engine.spareBytes);
  assert.ok(nothing <= 64 * KIB);
});

test('R53, R56: as much as is asked for is given up, or all there is, and files follow', () => {
  const { store, client, pool } = withPool(undefined, EPHEMERAL_PRIVATE);
  const swap = poolOf(store, client, PERSISTENT_PRIVATE);
  fill(store, swap, 50);
  fill(store, pool, 600);
  const { occupiedBytes } = store.engine.segments;
  const given = store.tmem.relinquish(MIB);
  assert.ok(given >= MIB && given < MIB + 8 * KIB, `${given} bytes`);
  while (store.engine.maintain(0.1, true));
  assert.ok(
    store.engine.segments.occupiedBytes < occupiedBytes - MIB * 0.8,
    `${store.engine.segments.occupiedBytes} of ${occupiedBytes}`,
  );
  assert.ok(store.tmem.relinquish(Infinity) > 0);
  assert.equal(store.tmem.relinquish(1), 0);
  assert.deepEqual([pool.pages, swap.pages], [0, 50]);
});

test('a page that was given up for a put of its own batch misses at once, and for good', () => {
  const { store, pool } = withPool(undefined, EPHEMERAL_PRIVATE, { inclusive: true });
  fill(store, pool, MANY);
  const kept = [...Array(MANY).keys()].filter((page) => pool.has(OBJECT, pageIndex(page)));
  for (let page = 0; page < 40; page++) put(store, pool, pageIndex(MANY + page), page, 'random');
  const gone = kept.filter((page) => pool.get(OBJECT, pageIndex(page), store.target) === TmemStatus.missing);
  assert.ok(gone.length > 0);
  store.tmem.commit();
  for (const page of gone) assert.equal(pool.get(OBJECT, pageIndex(page), store.target), TmemStatus.missing);
});

/** Raw pages, each a batch of its own. */
function fill(store: ReturnType<typeof withPool>['store'], pool: TmemPool, count: number, first = 0): void {
  for (let page = first; page < first + count; page++) {
    assert.equal(put(store, pool, pageIndex(page), page, 'random'), TmemStatus.done, `page ${page}`);
    assert.equal(store.tmem.commit(), CommitOutcome.done);
  }
}

test('R55: the way to memory for a new guest: freeze all, ask what is freeable, have it, thaw', () => {
  const { store, client, pool } = withPool(undefined, EPHEMERAL_PRIVATE);
  fill(store, pool, 600);
  store.tmem.setFrozen(true);
  const freeable = store.tmem.freeableBytes;
  assert.equal(store.tmem.relinquish(pool.stored.storedBytes), freeable - store.engine.spareBytes);
  assert.equal(put(store, pool, pageIndex(1), 1), TmemStatus.frozen, 'nobody takes it meanwhile');
  while (store.engine.maintain(0.1, true));
  assert.ok(store.engine.segments.occupiedBytes < MIB / 2);
  store.tmem.setFrozen(false);
  assert.equal(client.frozen, false);
  assert.equal(put(store, pool, pageIndex(1), 1), TmemStatus.done);
});

test('R77: what is stored is charged as stored: pages that compress cost less of the cap', () => {
  const { store, client, pool } = withPool();
  client.capBytes = 3 * 4128;
  for (let page = 0; page < 3; page++) put(store, pool, pageIndex(page), page, 'random');
  assert.equal(put(store, pool, pageIndex(3), 3, 'compressible'), TmemStatus.noMemory);
  put(store, pool, pageIndex(0), 4, 'filled');
  assert.equal(put(store, pool, pageIndex(3), 3, 'compressible'), TmemStatus.done);
  store.tmem.commit();
  assert.deepEqual([client.storedBytes, pool.stored.storedBytes], [store.engine.liveBytes, store.engine.liveBytes]);
  assert.equal(pool.stored.rawPages, 2);
});

test('what a failed batch had committed early may go as well, when room is needed', () => {
  const files = new FailingFiles();
  const { store, pool } = withPool(files, EPHEMERAL_PRIVATE, { inclusive: true });
  writeVersion(store.kernel, store.source, 1, 'random');
  for (let page = 0; page < 60; page++) {
    assert.equal(pool.replace(OBJECT, pageIndex(page), store.source), TmemStatus.done);
    // The last part of the batch, which is longer than the store stages at once.
    if (page === 58) files.failures = 1;
  }
  assert.equal(store.tmem.commit(), CommitOutcome.fault);
  assert.ok(pool.pages > 0 && pool.pages < 60, `${pool.pages} pages`);
  store.tmem.relinquish(Infinity);
  assert.equal(pool.pages, 0);
});
