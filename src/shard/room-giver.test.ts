/** Two real stores of one capacity: what one gives up for the other, and what the host makes of their offers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectVersion, OBJECT, poolOf, put } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore } from '../../test/support/small-store.js';
import { systemClock } from '../base/clock.js';
import { pageIndex } from '../base/ids.js';
import { SharedBudget } from '../base/shared-budget.js';
import { KIB, MIB } from '../base/units.js';
import { findRoom } from '../daemon/room-broker.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { TmemStatus } from '../tmem/status.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { type PageGiver, RoomGiver } from './room-giver.js';

const SEGMENT_BYTES = 64 * KIB;
const CAPACITY = 4 * MIB;

test('persistent pages never go, and nothing is given up that they need', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const full = sharing(budget, PERSISTENT_PRIVATE);
  const pages = fill(full, 5000);
  const offer = full.giver.offer();
  assert.deepEqual(offer, { spareBytes: 0, price: Infinity });
  assert.equal(await full.giver.give({ bytes: SEGMENT_BYTES, price: Infinity }), 0);
  for (let page = 0; page < pages; page++) expectVersion(full.store, full.pool, pageIndex(page), page, 'random');
});

test('segments that are not needed are given up first, whatever pages are worth, and no page goes', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const peer = sharing(budget, PERSISTENT_PRIVATE);
  const pages = fill(peer, 5000);
  for (let page = 0; page < pages; page++) if (page % 3 > 0) peer.pool.flushPage(OBJECT, pageIndex(page));
  peer.store.tmem.commit();
  const offer = peer.giver.offer();
  assert.ok(offer.spareBytes > CAPACITY / 3, `${offer.spareBytes} bytes`);
  const before = budget.leftBytes;
  const given = await peer.giver.give({ bytes: 5 * SEGMENT_BYTES, price: 0 });
  assert.deepEqual([given, budget.leftBytes - before], [5 * SEGMENT_BYTES, 5 * SEGMENT_BYTES]);
  for (let page = 0; page < pages; page += 3) expectVersion(peer.store, peer.pool, pageIndex(page), page, 'random');
});

test('pages go where they are worth less than what the other would lose, and not where they are worth as much', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const peer = sharing(budget, EPHEMERAL_PRIVATE);
  fill(peer, 3000);
  while ((await peer.giver.give({ bytes: SEGMENT_BYTES, price: 0 })) > 0);
  const { price, spareBytes } = peer.giver.offer();
  assert.ok(price > 0 && price < Infinity && spareBytes === 0, `${price}, ${spareBytes}`);
  const evicted = peer.pool.statistics.evicted;
  assert.equal(await peer.giver.give({ bytes: SEGMENT_BYTES, price }), 0);
  assert.equal(peer.pool.statistics.evicted, evicted);
  assert.equal(await peer.giver.give({ bytes: SEGMENT_BYTES, price: Infinity }), SEGMENT_BYTES);
  assert.ok(peer.pool.statistics.evicted > evicted);
  assert.ok(peer.pool.statistics.evicted < evicted + (3 * SEGMENT_BYTES) / 4128);
});

test('persistent pages of one shard get all the room that ephemeral ones of another take', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const [files, swap] = [sharing(budget, EPHEMERAL_PRIVATE), sharing(budget, PERSISTENT_PRIVATE)];
  fill(files, 3000);
  let pages = fill(swap, 5000);
  const alone = pages;
  for (;;) {
    if ((await findRoom({ bytes: SEGMENT_BYTES, price: swap.store.tmem.victimPrice }, [files.peer])) === 0) break;
    pages += fill(swap, 5000, pages);
  }
  assert.ok(pages * 4128 > 0.7 * CAPACITY, `${pages} pages, ${alone} before`);
  assert.equal(files.pool.pages, 0);
  for (let page = 0; page < pages; page++) expectVersion(swap.store, swap.pool, pageIndex(page), page, 'random');
});

test('of several the host asks those that lose least, and all of them where one has too little', async () => {
  const asked: string[] = [];
  const peer = (name: string, spareBytes: number, price: number, gives: number) => ({
    offerRoom: () => Promise.resolve({ spareBytes, price }),
    giveRoom: ({ bytes }: { bytes: number }) => {
      asked.push(`${name} ${bytes}`);
      return Promise.resolve(gives);
    },
  });
  const gone = { offerRoom: () => Promise.reject(new Error('it stops')), giveRoom: () => Promise.resolve(9) };
  const peers = [peer('dear', 0, 9, 9), peer('cheap', 0, 2, 3), gone, peer('some', 10, 1, 2), peer('much', 50, 5, 4)];
  assert.equal(await findRoom({ bytes: 10, price: 8 }, peers), 9);
  assert.deepEqual(asked, ['much 10', 'some 6', 'cheap 4']);
});

test('what can make pages go elsewhere is asked before what loses them, if it costs less', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const { store, pool } = sharing(budget, PERSISTENT_PRIVATE);
  fill({ store, pool }, 5000);
  const asked: string[] = [];
  let next = 0;
  const spilled: PageGiver = {
    price: 3,
    give: (bytes) => {
      asked.push('spill');
      for (let given = 0; given < bytes; given += 4128) pool.flushPage(OBJECT, pageIndex(next++));
      store.tmem.commit();
      return bytes;
    },
  };
  const dearer: PageGiver = { price: 4, give: () => assert.fail('it costs more') };
  const giver = giverOf(store, [dearer, spilled]);
  assert.equal(await giver.give({ bytes: SEGMENT_BYTES, price: 5 }), SEGMENT_BYTES);
  assert.ok(asked.length > 0);
});

interface Sharing {
  readonly store: SmallStore;
  readonly pool: TmemPool;
}

function sharing(
  budget: SharedBudget,
  flags: number,
): Sharing & {
  giver: RoomGiver;
  peer: Parameters<typeof findRoom>[1][number];
} {
  const store = openSmallStore(undefined, { segmentBytes: SEGMENT_BYTES, capacityBytes: CAPACITY, budget });
  const pool = poolOf(store, store.tmem.client('vm1'), flags);
  const giver = giverOf(store, [
    {
      get price() {
        return store.tmem.victimPrice;
      },
      give: (bytes) => store.tmem.relinquish(bytes),
    },
  ]);
  return {
    store,
    pool,
    giver,
    peer: { offerRoom: () => Promise.resolve(giver.offer()), giveRoom: (wish) => giver.give(wish) },
  };
}

function giverOf({ engine }: SmallStore, givers: readonly PageGiver[]): RoomGiver {
  return new RoomGiver({ engine, clock: systemClock, givers, isStopped: () => false });
}

/** Pages of their own number, from `first` on, until one is refused. @returns how many were taken */
function fill({ store, pool }: Sharing, count: number, first = 0): number {
  let page = first;
  while (page < first + count && put(store, pool, pageIndex(page), page, 'random') === TmemStatus.done) {
    store.tmem.commit();
    page++;
  }
  store.tmem.commit();
  return page - first;
}
