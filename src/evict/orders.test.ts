import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Prng, seededPrng } from '../base/prng.js';
import { EntryTable } from './entry-table.js';
import { type EvictionOrder, NO_ENTRY } from './eviction-order.js';
import { Fifo } from './fifo.js';
import { Lru } from './lru.js';
import type { PlainOrder } from './reference/plain-order.js';
import { PlainFifo, PlainLru, PlainS3Fifo, PlainWTinyLfu, PlainXS3 } from './reference/plain-orders.js';
import { S3Fifo } from './s3-fifo.js';
import { WTinyLfu } from './w-tinylfu.js';
import { XS3 } from './x-s3.js';

interface Pair {
  readonly name: string;
  readonly make: (table: EntryTable) => EvictionOrder;
  readonly plain: () => PlainOrder;
}

const PAIRS: readonly Pair[] = [
  { name: 'FIFO', make: (table) => new Fifo(table), plain: () => new PlainFifo() },
  { name: 'LRU', make: (table) => new Lru(table), plain: () => new PlainLru() },
  { name: 'X-S3', make: (table) => new XS3(table), plain: () => new PlainXS3() },
  { name: 'S3-FIFO', make: (table) => new S3Fifo(table), plain: () => new PlainS3Fifo() },
  { name: 'W-TinyLFU', make: (table) => new WTinyLfu(table), plain: () => new PlainWTinyLfu() },
];

type Step = readonly [what: 'get' | 'take' | 'put' | 'flush' | 'evict', page: number, bytes: number];

const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('get', 'take', 'put', 'put', 'flush', 'evict'),
  fc.nat(70),
  fc.oneof(fc.constant(4096), fc.nat(4160)),
);

/** An order beside its model: both do the same and must say the same. */
class Compared {
  readonly #table = new EntryTable();
  readonly #order: EvictionOrder;
  readonly #plain: PlainOrder;

  constructor({ make, plain }: Pair) {
    this.#order = make(this.#table);
    this.#plain = plain();
  }

  get order(): EvictionOrder {
    return this.#order;
  }

  step([what, page, bytes]: Step): void {
    // Cells of a slab come to use in no order.
    const entry = 1 + ((page * 7919) % 100_003);
    const key = page * 3;
    const held = this.#table.queue(entry) !== 0;
    for (const order of [this.#order, this.#plain]) {
      if (what === 'put' && held) order.resize(entry, bytes);
      else if (what === 'put') order.insert(entry, key, bytes);
      else if (what === 'get' && held) order.hit(entry);
      else if (what === 'take' && held) order.take(entry);
      else if (what === 'get' || what === 'take') order.miss(key);
      else if (what === 'flush' && held) order.remove(entry);
    }
    if (what === 'evict') {
      const { victimQueue } = this.#order;
      const victim = this.#order.evict();
      assert.equal(victim, this.#plain.evict());
      assert.equal(victimQueue === null, victim === NO_ENTRY);
      assert.equal(this.#table.queue(victim), 0);
    }
    assert.deepEqual([this.#order.pages, this.#order.bytes], [this.#plain.pages, this.#plain.bytes]);
  }

  drain(): void {
    while (this.#order.pages > 0) this.step(['evict', 0, 0]);
    this.step(['evict', 0, 0]);
  }
}

for (const pair of PAIRS) {
  test(`${pair.name} evicts the pages that its textbook model evicts, whatever is done to them`, () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 300 }), (steps) => {
        const compared = new Compared(pair);
        for (const step of steps) compared.step(step);
        compared.drain();
      }),
      { numRuns: 150 },
    );
  });

  test(`${pair.name} evicts the pages that its textbook model evicts, over a long run in a small pool`, () => {
    const prng = seededPrng(7);
    for (const destructive of [false, true]) {
      const compared = new Compared(pair);
      for (let round = 0; round < 12_000; round++) {
        const page = skewed(prng, 900);
        compared.step([destructive ? 'take' : 'get', page, 0]);
        // Behind a guest that keeps a page for a while, or a pool that fills on a miss.
        compared.step(['put', destructive ? skewed(prng, 900) : page, 1000 + prng.below(3000)]);
        if (prng.below(50) === 0) compared.step(['flush', skewed(prng, 900), 0]);
        while (compared.order.bytes > 150 * 2500) compared.step(['evict', 0, 0]);
      }
      compared.drain();
    }
  });
}

test('an entry may change from one order to another, and be in one at a time', () => {
  const table = new EntryTable();
  const [a, b] = [new Lru(table), new XS3(table)];
  a.insert(5, 1, 100);
  assert.throws(() => b.insert(5, 1, 100), /in one order at most/);
  a.remove(5);
  b.insert(5, 1, 100);
  assert.throws(() => a.insert(5, 1, 100), /in one order at most/);
  assert.throws(() => a.insert(6, 1, 70_000), /16 bits/);
  assert.throws(() => a.insert(0, 1, 1), /begin with 1/);
  assert.throws(() => a.remove(9), /holds the page/);
});

test('R19: a page that is put again keeps its place and changes its size alone', () => {
  for (const { make } of PAIRS) {
    const order = make(new EntryTable());
    for (let entry = 1; entry <= 3; entry++) order.insert(entry, entry, 1000);
    order.resize(1, 50);
    assert.equal(order.bytes, 2050);
    assert.equal(order.evict(), 1);
  }
});

test('index, order and ghosts of a pool of any order take less than 56 bytes a page', () => {
  const pages = 20_000;
  for (const { name, make } of PAIRS) {
    const table = new EntryTable();
    const order = make(table);
    let free = pages + 1;
    for (let page = 1; page <= 4 * pages; page++) {
      order.miss(page);
      order.insert(page <= pages ? page : free, page, 4096);
      if (order.pages > pages) free = order.evict();
    }
    const perPage = (table.bytes + order.metadataBytes) / order.pages;
    assert.ok(8.5 + perPage <= 56, `${name}: ${perPage} bytes a page beside the index`);
  }
});

/** Some pages far more often than others, as a power law has it. */
function skewed(prng: Prng, pages: number): number {
  return Math.floor(pages * (prng.below(2 ** 30) / 2 ** 30) ** 3);
}
