import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claimant, ClaimantGuest } from './claimant.js';
import { EntryTable } from './entry-table.js';
import { Fifo } from './fifo.js';
import { Weighted } from './weighted.js';

/** Two pages of guest A are the oldest of all, then come those of B and C. */
function threeGuests(weights: readonly number[], pages: readonly number[]): Claimant[] {
  const table = new EntryTable();
  let entry = 0;
  return weights.map((weight, number) => {
    const claimant = claimantOf(table, { weight });
    for (let page = 0; page < pages[number]!; page++) {
      table.countGet();
      claimant.order.insert(++entry, entry, 1000);
    }
    return claimant;
  });
}

test('R44: a requester over its quota gives a page of its own, else the oldest page of all goes', () => {
  const [a, b, c] = threeGuests([1, 1, 2], [2, 6, 2]) as [Claimant, Claimant, Claimant];
  const policy = new Weighted();
  const all = [a, b, c];
  // B has 60 % of the bytes and a quarter of the weights.
  assert.equal(policy.choose(all, b.guest), b);
  assert.equal(policy.choose(all, c.guest), a);
  assert.equal(policy.choose(all, null), a);
});

test('R44: a guest of weight 0 is never over quota', () => {
  const [a, b, c] = threeGuests([1, 0, 1], [1, 20, 1]) as [Claimant, Claimant, Claimant];
  assert.equal(new Weighted().choose([a, b, c], b.guest), a);
});

test('R45: over quota is more than the share, not less, and exactly the share is not over', () => {
  for (const [pages, over] of [
    [4, false],
    [5, false],
    [6, true],
  ] as const) {
    // Weights 1 and 1: the share is half.
    const [a, b] = threeGuests([1, 1], [10 - pages, pages]) as [Claimant, Claimant];
    assert.equal(new Weighted().choose([a, b], b.guest), over ? b : a, `${pages} of 10`);
  }
  const [a, b] = threeGuests([1, 3], [3, 7]) as [Claimant, Claimant];
  assert.equal(new Weighted().choose([a, b], b.guest), a, '70 % of the bytes, 75 % of the weights');
});

test('R45: quotas are shares of bytes as stored', () => {
  const table = new EntryTable();
  const [a, b] = [claimantOf(table, { weight: 1 }), claimantOf(table, { weight: 1 })];
  for (let entry = 1; entry <= 9; entry++) a.order.insert(entry, entry, 100);
  for (let entry = 11; entry <= 12; entry++) b.order.insert(entry, entry, 4000);
  for (const [requester, victim] of [
    [a, a],
    [b, b],
  ] as const) {
    // A is under quota with its nine small pages, and the oldest is its own.
    assert.equal(new Weighted().choose([a, b], requester.guest), victim);
  }
});

test('R46: only the requester is examined; a third guest over quota is not looked for', () => {
  const [a, b, c] = threeGuests([1, 1, 1], [2, 20, 2]) as [Claimant, Claimant, Claimant];
  assert.equal(new Weighted().choose([a, b, c], c.guest), a);
});

test('R42: no persistent page is a victim of weights, and R49: then there may be none', () => {
  const table = new EntryTable();
  const swap: Claimant = { ...claimantOf(table, { weight: 1 }), kind: 'persistent' };
  swap.order.insert(1, 1, 4096);
  assert.equal(new Weighted().choose([swap], swap.guest), null);
});

test('a guest with several pools has one weight, and its oldest page goes', () => {
  const table = new EntryTable();
  const one = claimantOf(table, { weight: 1 });
  const two: Claimant = { ...one, order: new Fifo(table) };
  const other = claimantOf(table, { weight: 1 });
  for (const [number, { order }] of [other, two, one, two, one].entries()) {
    table.countGet();
    order.insert(number + 1, number, 1000);
  }
  // 80 % of the bytes; were its weight counted twice, that were less than its share of 100 %.
  assert.equal(new Weighted().choose([one, two, other], one.guest), two);
});

function claimantOf(table: EntryTable, limits: Partial<ClaimantGuest>): Claimant {
  const guest: ClaimantGuest = {
    weight: 0,
    reservationBytes: 0,
    capBytes: Infinity,
    curve: null,
    elsewhereBytes: 0,
    heldBytes: 0,
    heldPages: 0,
    ...limits,
  };
  return { guest, kind: 'ephemeral', price: 100, order: new Fifo(table), mayYield: true };
}
