/** Whose page goes: by value, within reservations and caps; or by weight, where that was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OBJECT, poolOf } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { pageIndex } from '../base/ids.js';
import { Weighted } from '../evict/weighted.js';
import { EPHEMERAL_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import { Tmem } from './tmem.js';
import type { TmemPool } from './tmem-pool.js';

test('R44, R45: by weight, a requester over its share gives up its own pages, and one under it gets room of the oldest', () => {
  const { store, pools } = twoPools(true);
  const [a, b] = pools;
  a.owner.claims.weight = 100;
  b.owner.claims.weight = 300;
  fill(store, b, 0, 300);
  fill(store, a, 0, 900);
  const before = b.pages;
  fill(store, a, 900, 300);
  assert.equal(b.pages, before, 'a is over its quarter, so its own pages go');
  fill(store, b, 300, 100);
  assert.ok(b.pages > before, 'b is under its share, so the oldest go, whose ever they are');
});

test('what is reserved does not go, and whoever is over its cap goes first', () => {
  const { store, pools } = twoPools(false);
  const [a, b] = pools;
  fill(store, a, 0, 200);
  a.owner.claims.reservationBytes = a.stored.storedBytes;
  fill(store, b, 0, 1500);
  assert.equal(a.pages, 200);
  a.owner.claims.reservationBytes = 0;
  a.owner.claims.capBytes = a.stored.storedBytes / 2;
  fill(store, b, 1500, 60);
  assert.ok(a.pages <= 190, `${a.pages} pages`);
});

test('of two guests of which one is asked again and again, the other gives up its pages', () => {
  const { store, pools } = twoPools(false, true);
  const [busy, idle] = pools;
  const pages = 250;
  fill(store, idle, 0, pages);
  fill(store, busy, 0, pages);
  for (let round = 0; round < 40; round++) {
    for (let page = 0; page < pages; page++) busy.get(OBJECT, pageIndex(page), store.target);
    fill(store, idle, pages + round * 20, 20);
  }
  assert.ok(idle.statistics.evicted > 400, `${idle.statistics.evicted} pages of the idle one have gone`);
  assert.ok(busy.statistics.evicted < 25, `${busy.statistics.evicted} pages of the busy one have gone`);
});

function twoPools(byWeight: boolean, inclusive = false): { store: SmallStore; pools: [TmemPool, TmemPool] } {
  const small = openSmallStore();
  const tmem = byWeight ? new Tmem(small.engine, small.kernel, () => new Weighted()) : small.tmem;
  const store = { ...small, tmem };
  const [a, b] = ['a', 'b'].map((name) => poolOf(store, tmem.client(name), EPHEMERAL_PRIVATE, { inclusive }));
  return { store, pools: [a!, b!] };
}

/** Raw pages, each a batch of its own. */
function fill(store: SmallStore, pool: TmemPool, first: number, count: number): void {
  for (let page = first; page < first + count; page++) {
    writeVersion(store.kernel, store.source, page, 'random');
    assert.equal(pool.put(OBJECT, pageIndex(page), store.source), TmemStatus.done);
    store.tmem.commit();
  }
}
