import type { ClaimantGuest } from '../evict/claimant.js';
import { type ClientCredit, nextPageBytes } from './client-credit.js';
import type { TmemPool } from './tmem-pool.js';

/** Most shared pools that a client may be authorised for (R61). */
export const AUTHORISATIONS_MAX = 16;

/**
 * One guest, as tmem sees it: owner of pools, of a cap, of statistics. It appears with its first operation (R5) and
 * dies only when the host administrator says so (R9).
 */
export class TmemClient {
  readonly name: string;
  /** By pool id; a hole is a free id (R4). A shared pool stands here for each time that the client has joined it. */
  readonly pools: (TmemPool | undefined)[] = [];
  /** Most bytes that its persistent pages may take as stored (R25, R77); Infinity for no cap. */
  capBytes: number = Infinity;
  /** Where the cap counts over several shards: what of it is lent to this one. */
  credit: ClientCredit | null = null;
  /** No fresh put and no new pool until it is thawed; all else goes on (R20, R31, R36, R66). */
  frozen = false;
  /** What it may hold when room is short, and what it holds: for those who choose victims. */
  readonly claims: ClaimantGuest = {
    weight: 0,
    reservationBytes: 0,
    capBytes: Infinity,
    curve: null,
    elsewhereBytes: 0,
    heldBytes: 0,
    heldPages: 0,
  };
  /** Its pages are being copied away: none of them may change but by being flushed (R21, R70), and no private pool ends (R8). */
  migrating = false;
  /** Uuids of the shared pools that it may join, as the host administrator says (R61); at most {@link AUTHORISATIONS_MAX}. */
  readonly authorised: Set<bigint> = new Set();

  constructor(name: string) {
    this.name = name;
  }

  /** Of persistent pages, which count against its cap. */
  get storedBytes(): number {
    return this.#sum(true, (pool) => pool.stored.storedBytes);
  }

  get persistentPages(): number {
    return this.#sum(true, (pool) => pool.pages);
  }

  /** Of the pools that it owns: those of a shared pool count for its owner alone (R63). */
  get ephemeralPages(): number {
    return this.#sum(false, (pool) => pool.pages);
  }

  /** The lowest pool id that is free (R4). */
  get freeId(): number {
    const free = this.pools.findIndex((pool) => pool === undefined);
    return free === -1 ? this.pools.length : free;
  }

  /**
   * By how much this persistent pool of the client may still grow, what it has staged itself aside. Below 0 where the
   * cap was lowered. What the others have staged counts where they grow; where they shrink, only when it is committed.
   */
  roomOf(growing: TmemPool): number {
    if (this.capBytes === Infinity) return Infinity;
    let used = 0;
    for (const pool of this.pools) {
      if (pool === undefined || !pool.attributes.isPersistent) continue;
      used += pool.stored.storedBytes;
      if (pool !== growing) used += Math.max(0, pool.stored.pendingBytes);
    }
    return this.credit === null
      ? this.capBytes - used
      : this.credit.room(used, nextPageBytes(growing.stored.pendingBytes));
  }

  /** What its cap leaves, over all shards, what is staged aside. Below 0 where the cap was lowered. Nothing is borrowed. */
  get spareBytes(): number {
    if (this.capBytes === Infinity) return Infinity;
    return this.credit === null ? this.capBytes - this.storedBytes : this.credit.spare(this.storedBytes);
  }

  /** Gives back what is lent and not used. Between batches; costs nothing where the cap is this shard's alone. */
  settleCredit(): void {
    this.credit?.settle(this.storedBytes);
  }

  #sum(isPersistent: boolean, of: (pool: TmemPool) => number): number {
    const owned = new Set(this.pools.filter((pool) => pool?.owner === this));
    return [...owned].reduce((sum, pool) => (pool?.attributes.isPersistent === isPersistent ? sum + of(pool) : sum), 0);
  }
}
