/** Runs traces through real eviction orders: alone, as a cache of pages, and as a pool behind a guest's own cache. */
import { PAGE_BYTES } from '../base/units.js';
import { EntryTable } from '../evict/entry-table.js';
import { type EvictionOrder, NO_ENTRY } from '../evict/eviction-order.js';
import { Lru } from '../evict/lru.js';
import type { Trace } from './traces/trace.js';

export type MakeOrder = (table: EntryTable) => EvictionOrder;

/** @returns misses of a cache of so many pages, all of one size, cold ones included */
export function missesAlone({ pages }: Pick<Trace, 'pages'>, capacityPages: number, make: MakeOrder): number {
  const table = new EntryTable();
  const order = make(table);
  let misses = 0;
  for (const page of pages) {
    const entry = page + 1;
    if (table.queue(entry) !== 0) {
      order.hit(entry);
      continue;
    }
    misses++;
    order.miss(page);
    order.insert(entry, page, PAGE_BYTES);
    while (order.pages > capacityPages) order.evict();
  }
  return misses;
}

/** What a guest with a cache of its own asks of the pool behind it; the pool does not change what the guest does. */
export interface GuestStream {
  /** Pages the guest does not have, in order. */
  readonly fetched: Uint32Array;
  /** For each of them: the page that went for it, plus 1, or 0 where there was room. */
  readonly evicted: Uint32Array;
}

/** A guest that evicts the least recently used of so many pages. */
export function streamOfLruGuest({ pages }: Pick<Trace, 'pages'>, guestPages: number): GuestStream {
  const table = new EntryTable();
  const order = new Lru(table);
  const fetched = new Uint32Array(pages.length);
  const evicted = new Uint32Array(pages.length);
  let count = 0;
  for (const page of pages) {
    const entry = page + 1;
    if (table.queue(entry) !== 0) {
      order.hit(entry);
      continue;
    }
    order.insert(entry, page, PAGE_BYTES);
    evicted[count] = order.pages > guestPages ? order.evict() : NO_ENTRY;
    fetched[count++] = page;
  }
  return { fetched: fetched.subarray(0, count), evicted: evicted.subarray(0, count) };
}

/** A pool that fills on a miss and keeps what it gives. @returns its misses */
export function missesOfInclusivePool({ fetched }: GuestStream, poolPages: number, make: MakeOrder): number {
  return missesAlone({ pages: fetched }, poolPages, make);
}

/** A pool that is given what the guest evicts, and gives it back once (R27). @returns its misses */
export function missesOfDestructivePool(stream: GuestStream, poolPages: number, make: MakeOrder): number {
  const { fetched, evicted } = stream;
  const table = new EntryTable();
  const order = make(table);
  let misses = 0;
  for (let at = 0; at < fetched.length; at++) {
    const page = fetched[at]!;
    if (table.queue(page + 1) !== 0) order.take(page + 1);
    else {
      misses++;
      order.miss(page);
    }
    const put = evicted[at]!;
    if (put === NO_ENTRY) continue;
    order.insert(put, put - 1, PAGE_BYTES);
    while (order.pages > poolPages) order.evict();
  }
  return misses;
}
