/**
 * Making room: which ephemeral pages go when the arena has none for a put (R42, R43, R50). Each pool has an order of its
 * own in which its pages would leave; here is decided which pool's turn it is.
 *
 * A page that goes is flushed like any other: it is part of the batch that needs its room, and leaves no record.
 */
import { assert } from '../base/assert.js';
import type { PageIndex } from '../base/ids.js';
import type { Engine } from '../engine/engine.js';
import { NO_CELL } from '../engine/page-table.js';
import type { StoredObject } from '../engine/stored-object.js';
import type { EvictionOrder } from '../evict/eviction-order.js';

export interface EvictablePool {
  /** The order has let this page go; so does the pool. */
  evicted(object: StoredObject, index: PageIndex): void;
}

/** More than one raw page is never needed at once, and nobody waits for the eviction of more pages than this (R24, R49). */
const EVICTIONS_MAX = 64;

export class Eviction {
  readonly #engine: Engine;
  readonly #pools = new Map<EvictablePool, EvictionOrder>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  add(pool: EvictablePool, order: EvictionOrder): void {
    this.#pools.set(pool, order);
  }

  remove(pool: EvictablePool): void {
    this.#pools.delete(pool);
  }

  /** Bytes of pages that may go (R52). */
  get evictableBytes(): number {
    let bytes = 0;
    for (const order of this.#pools.values()) bytes += order.bytes;
    return bytes;
  }

  /** Of the orders: ghosts and counters. */
  get metadataBytes(): number {
    let bytes = 0;
    for (const order of this.#pools.values()) bytes += order.metadataBytes;
    return bytes;
  }

  /** Evicts until the arena takes another page, or nothing more may go. Costs nothing where nothing may. */
  makeRoom(): void {
    if (this.#pools.size === 0) return;
    for (let evictions = 0; evictions < EVICTIONS_MAX && !this.#engine.hasRoom; evictions++) {
      if (this.evictPage() === 0) return;
    }
  }

  /** @returns bytes that the page took as stored; 0: there is nothing that may go */
  evictPage(): number {
    const victim = this.#victim();
    if (victim === undefined) return 0;
    const cell = victim.order.evict();
    assert(cell !== NO_CELL, 'an order with pages has one to give');
    const bytes = this.#engine.storedBytesAt(cell);
    const { object, index } = this.#engine.pageAt(cell);
    victim.pool.evicted(object, index);
    return bytes;
  }

  #victim(): { pool: EvictablePool; order: EvictionOrder } | undefined {
    let victim: { pool: EvictablePool; order: EvictionOrder } | undefined;
    for (const [pool, order] of this.#pools) {
      if (order.pages > 0 && (victim === undefined || order.bytes > victim.order.bytes)) victim = { pool, order };
    }
    return victim;
  }
}
