import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { seededPrng } from '../base/prng.js';
import type { Claimant, ClaimantGuest } from './claimant.js';
import { EntryTable } from './entry-table.js';
import { Lru } from './lru.js';
import { MarginalValue } from './marginal-value.js';
import { type PlainClaimant, PlainMarginalValue } from './reference/plain-marginal-value.js';
import { ReuseCurve } from './reuse-curve.js';
import { XS3 } from './x-s3.js';

const MEMORY_BYTES = 200 * 4096;

const anyGuest = fc.record({
  reservationBytes: fc.constantFrom(0, 0, 5000, 100_000),
  capBytes: fc.constantFrom(Infinity, Infinity, 200_000),
});

test('the victim is the claimant that the plain formula finds, within reservations and above caps first', () => {
  const setting = fc.record({
    guests: fc.array(anyGuest, { minLength: 2, maxLength: 3 }),
    claimants: fc.array(
      fc.record({
        guest: fc.nat(2),
        price: fc.constantFrom(50, 100, 5000),
        mayYield: fc.constantFrom(true, true, false),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    seed: fc.nat(2 ** 31),
  });
  fc.assert(
    fc.property(setting, ({ guests, claimants, seed }) => {
      const table = new EntryTable();
      const policy = new MarginalValue(table, MEMORY_BYTES);
      const plain = new PlainMarginalValue(MEMORY_BYTES);
      const accounts = guests.map((limits) => guestWith(limits));
      const pairs = claimants.map(({ guest, price, mayYield }) => {
        const account = accounts[guest % accounts.length]!;
        const real: Claimant = { guest: account, kind: 'ephemeral', price, order: new Lru(table), mayYield };
        const model: PlainClaimant = { guest: account, price, mayYield, pages: [], tailHits: 0 };
        return { real, model };
      });
      const prng = seededPrng(seed);
      let now = 0;
      for (let round = 0; round < 400; round++) {
        const { real, model } = pairs[prng.below(pairs.length)]!;
        const entry = 1 + pairs.findIndex((pair) => pair.real === real) * 1000 + prng.below(80);
        const at = model.pages.findIndex((page) => page.entry === entry);
        now++;
        if (at >= 0) {
          if (plain.tailOf(model).some((page) => page.entry === entry)) model.tailHits++;
          real.order.hit(entry);
          const [page] = model.pages.splice(at, 1);
          model.pages.push({ ...page!, usedAt: now });
        } else {
          const bytes = prng.below(4128);
          real.order.miss(entry);
          real.order.insert(entry, entry, bytes);
          model.pages.push({ entry, bytes, usedAt: now });
        }
        const chosen = policy.choose(
          pairs.map((pair) => pair.real),
          null,
        );
        const expected = plain.choose(
          pairs.map((pair) => pair.model),
          now,
        );
        assert.equal(
          pairs.findIndex((pair) => pair.real === chosen),
          pairs.findIndex((pair) => pair.model === expected),
        );
        if (chosen === null || prng.below(3) > 0) continue;
        assert.equal(chosen.order.evict(), expected!.pages.shift()!.entry);
      }
    }),
    { numRuns: 60 },
  );
});

test('of two guests with the same price the one whose oldest pages are still found keeps them', () => {
  const table = new EntryTable();
  const policy = new MarginalValue(table, MEMORY_BYTES);
  const [scans, loops] = [claimant(table), claimant(table)];
  const loop = 60;
  for (let round = 0; round < 6000; round++) {
    get(loops, 1 + (round % loop));
    // Each page once, and never again.
    get(scans, 1000 + round);
    while (scans.order.bytes + loops.order.bytes > MEMORY_BYTES) policy.choose([scans, loops], null)!.order.evict();
  }
  assert.equal(loops.order.pages, loop);
});

test('a page that costs fifty times as much to fetch stays, and one that takes a quarter of the room', () => {
  for (const [price, bytes] of [
    [5000, 4096],
    [100, 1024],
  ] as const) {
    const table = new EntryTable();
    const policy = new MarginalValue(table, MEMORY_BYTES);
    const [dear, cheap] = [{ ...claimant(table), price }, claimant(table)];
    for (let page = 1; page <= 100; page++) {
      get(dear, page, bytes);
      get(cheap, 1000 + page);
    }
    for (let victim = 0; victim < 50; victim++) assert.equal(policy.choose([dear, cheap], null), cheap);
  }
});

test('R49: nobody has to give a page who has none, may not, or would fall below the reservation', () => {
  const table = new EntryTable();
  const policy = new MarginalValue(table, MEMORY_BYTES);
  const reserved = claimant(table, { reservationBytes: 10 * 4096 });
  const kept: TestClaimant = { ...claimant(table), kind: 'persistent', mayYield: false };
  for (let page = 1; page <= 30; page++) {
    get(reserved, page);
    get(kept, 1000 + page);
  }
  let evicted = 0;
  for (;;) {
    const chosen = policy.choose([reserved, kept, claimant(table)], null);
    if (chosen === null) break;
    assert.equal(chosen, reserved);
    chosen.order.evict();
    evicted++;
  }
  // One page may take more than 4,096 bytes as stored.
  assert.equal(evicted, 19);
  assert.ok(reserved.order.bytes >= 10 * 4096);
});

test('what a guest holds in other shards counts against its reservation and its cap', () => {
  const table = new EntryTable();
  const policy = new MarginalValue(table, MEMORY_BYTES);
  const guest = claimant(table, { reservationBytes: 40 * 4096, elsewhereBytes: 30 * 4096 });
  const other = claimant(table);
  for (let page = 1; page <= 20; page++) {
    get(guest, page);
    get(other, 1000 + page);
  }
  let evicted = 0;
  for (; policy.choose([guest], null) === guest; evicted++) guest.order.evict();
  assert.equal(evicted, 9);
  guest.guest.reservationBytes = 0;
  guest.guest.capBytes = 35 * 4096;
  // Its pages are used last, and go first all the same.
  for (let page = 10; page <= 20; page++) get(guest, page);
  assert.equal(policy.choose([other, guest], null), guest);
});

test('persistent pages that can be spilled compete with ephemeral ones by what a get of them would cost', () => {
  const table = new EntryTable();
  const policy = new MarginalValue(table, MEMORY_BYTES);
  const swap: TestClaimant = { ...claimant(table), kind: 'persistent', price: 100 };
  const files: Claimant = { ...claimant(table), price: 5000, order: new XS3(table) };
  for (let page = 1; page <= 50; page++) {
    get(swap, page);
    files.order.insert(1000 + page, page, 4096);
  }
  assert.equal(policy.choose([swap, files], null), swap);
});

test('a guest whose loop does not fit yet is given room for it when its curve is known', () => {
  const missesWith = (known: boolean): number => {
    const table = new EntryTable();
    const memoryPages = 1000;
    const policy = new MarginalValue(table, memoryPages * 4096);
    const curve = (): ReuseCurve | null => (known ? new ReuseCurve(memoryPages, 0, 0.2) : null);
    const [loops, scatters] = [claimant(table, { curve: curve() }), claimant(table, { curve: curve() })];
    const prng = seededPrng(3);
    let misses = 0;
    for (let round = 0; round < 40_000; round++) {
      // 700 pages one after the other: LRU finds all of them in 700 pages and none in 699.
      for (const [of, page] of [
        [loops, 1 + (round % 700)],
        [scatters, 1000 + prng.below(4000)],
      ] as const) {
        if (table.queue(page) === 0 && of === loops && round >= 20_000) misses++;
        of.guest.curve?.record(page);
        get(of, page);
      }
      while (loops.order.pages + scatters.order.pages > memoryPages) {
        policy.choose([loops, scatters], null)!.order.evict();
      }
    }
    return misses;
  };
  assert.equal(missesWith(true), 0);
  assert.ok(missesWith(false) > 10_000);
});

function guestWith(limits: Partial<ClaimantGuest> = {}): ClaimantGuest {
  return {
    weight: 0,
    reservationBytes: 0,
    capBytes: Infinity,
    curve: null,
    elsewhereBytes: 0,
    heldBytes: 0,
    heldPages: 0,
    ...limits,
  };
}

interface TestClaimant extends Claimant {
  readonly table: EntryTable;
}

function claimant(table: EntryTable, limits: Partial<ClaimantGuest> = {}): TestClaimant {
  return { table, guest: guestWith(limits), kind: 'ephemeral', price: 100, order: new Lru(table), mayYield: true };
}

/** A get that fills on a miss; an entry is a page of the claimant alone. */
function get({ order, table }: TestClaimant, entry: number, bytes = 4096): void {
  if (table.queue(entry) !== 0) {
    order.hit(entry);
    return;
  }
  order.miss(entry);
  order.insert(entry, entry, bytes);
}
