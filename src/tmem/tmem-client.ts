import type { TmemPool } from './tmem-pool.js';

/**
 * One guest, as tmem sees it: owner of pools, of a cap, of statistics. It appears with its first operation (R5) and
 * dies only when the host administrator says so (R9).
 */
export class TmemClient {
  readonly name: string;
  /** By pool id; a hole is a free id (R4). */
  readonly pools: (TmemPool | undefined)[] = [];
  /** Most bytes that its persistent pages may take as stored (R25, R77); Infinity for no cap. */
  capBytes: number = Infinity;
  /** No fresh put and no new pool until it is thawed; all else goes on (R20, R31, R36, R66). */
  frozen = false;

  constructor(name: string) {
    this.name = name;
  }

  get storedBytes(): number {
    return this.pools.reduce((sum, pool) => sum + (pool?.stored.storedBytes ?? 0), 0);
  }

  get pages(): number {
    return this.pools.reduce((sum, pool) => sum + (pool?.pages ?? 0), 0);
  }

  /**
   * By how much this pool of the client may still grow, what it has staged itself aside. Below 0 where the cap was
   * lowered. What the others have staged counts where they grow; where they shrink, only when it is committed.
   */
  roomOf(growing: TmemPool): number {
    if (this.capBytes === Infinity) return Infinity;
    let room = this.capBytes;
    for (const pool of this.pools) {
      if (pool === undefined) continue;
      room -= pool.stored.storedBytes;
      if (pool !== growing) room -= Math.max(0, pool.stored.pendingBytes);
    }
    return room;
  }
}
