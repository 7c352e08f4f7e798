/**
 * Making room: which ephemeral pages go when the arena has none for a put (R42, R43, R50). Each pool has an order of its
 * own in which its pages would leave; here is decided which pool's turn it is.
 *
 * A page that goes is flushed like any other: it is part of the batch that needs its room, and leaves no record.
 */
import { assert } from '../base/assert.js';
import type { PageIndex } from '../base/ids.js';
import type { Engine } from '../engine/engine.js';
import type { StoredObject } from '../engine/stored-object.js';
import type { Claimant, ClaimantGuest, VictimPolicy } from '../evict/claimant.js';
import { type EvictionOrder, NO_ENTRY } from '../evict/eviction-order.js';

export interface EvictablePool {
  readonly owner: { readonly claims: ClaimantGuest };
  /** The order has let this page go; so does the pool. */
  evicted(object: StoredObject, index: PageIndex): void;
}

/** What a page costs that is not found here any more: a read of the disk that it came from, in microseconds. */
const PRICE_OF_A_MISS_US = 100;

/** More than one raw page is never needed at once, and nobody waits for the eviction of more pages than this (R24, R49). */
const EVICTIONS_MAX = 64;

export class Eviction {
  readonly #engine: Engine;
  readonly #victims: VictimPolicy;
  readonly #claimants: PoolClaimant[] = [];
  /** Told when pages go because the arena has no room: there may be some elsewhere that is worth less. */
  onShort: (() => void) | undefined;

  constructor(engine: Engine, victims: VictimPolicy) {
    this.#engine = engine;
    this.#victims = victims;
  }

  add(pool: EvictablePool, order: EvictionOrder): void {
    this.#claimants.push(new PoolClaimant(pool, order));
  }

  remove(pool: EvictablePool): void {
    const at = this.#claimants.findIndex((claimant) => claimant.pool === pool);
    if (at !== -1) this.#claimants.splice(at, 1);
  }

  /** Bytes of pages that may go (R52). */
  get evictableBytes(): number {
    return this.#claimants.reduce((sum, { order }) => sum + order.bytes, 0);
  }

  /** Of one guest's pages that may go. */
  heldBytesOf(guest: ClaimantGuest): number {
    return this.#claimants.reduce((sum, claimant) => (claimant.guest === guest ? sum + claimant.order.bytes : sum), 0);
  }

  /** Of the orders: ghosts and counters. */
  get metadataBytes(): number {
    return this.#claimants.reduce((sum, { order }) => sum + order.metadataBytes, 0);
  }

  /** What the page that would go next is worth, by the policy's measure; Infinity where none may go. */
  get price(): number {
    const victim = this.#victims.choose(this.#claimants, null);
    return victim === null ? Infinity : this.#victims.valueOf(victim);
  }

  /** Evicts until the arena takes another page, or nothing more may go. Costs nothing where nothing may. */
  makeRoom(requester: ClaimantGuest): void {
    if (this.#claimants.length === 0) return;
    for (let evictions = 0; evictions < EVICTIONS_MAX && !this.#engine.hasRoom; evictions++) {
      if (evictions === 0) this.onShort?.();
      if (this.evictPage(requester) === 0) return;
    }
  }

  /**
   * @param requester - who needs the room; null: the host
   * @returns bytes that the page took as stored; 0: there is nothing that may go
   */
  evictPage(requester: ClaimantGuest | null): number {
    const victim = this.#victims.choose(this.#claimants, requester);
    if (victim === null) return 0;
    const cell = victim.order.evict();
    assert(cell !== NO_ENTRY, 'an order with pages has one to give');
    const bytes = this.#engine.storedBytesAt(cell);
    const { object, index } = this.#engine.pageAt(cell);
    this.#claimants.find((claimant) => claimant === victim)?.pool.evicted(object, index);
    return bytes;
  }
}

/** A pool's pages, as those see them who choose. */
class PoolClaimant implements Claimant {
  readonly pool: EvictablePool;
  readonly order: EvictionOrder;
  readonly kind = 'ephemeral';
  readonly price = PRICE_OF_A_MISS_US;
  readonly mayYield = true;

  constructor(pool: EvictablePool, order: EvictionOrder) {
    this.pool = pool;
    this.order = order;
  }

  /** A shared pool changes hands (R63). */
  get guest(): ClaimantGuest {
    return this.pool.owner.claims;
  }
}
