/** The shared pools of a host by their uuids, and who may join which (R58-R61, R65). */
import type { TmemClient } from './tmem-client.js';
import type { TmemPool } from './tmem-pool.js';

/** 128 bits, all ones: no uuid (R58). */
export const INVALID_UUID: bigint = 2n ** 128n - 1n;

export class SharedPools {
  /** Every client may join every shared pool, as long as the host administrator wants it so (R61). */
  isOpenToAll = false;
  readonly #pools = new Map<bigint, TmemPool>();

  /** One that may not gets a private pool, and is not told: an error would say that the uuid exists (R60, R65). */
  mayJoin(client: TmemClient, uuid: bigint): boolean {
    return uuid >= 0n && uuid < INVALID_UUID && (this.isOpenToAll || client.authorised.has(uuid));
  }

  find(uuid: bigint): TmemPool | undefined {
    return this.#pools.get(uuid);
  }

  add(uuid: bigint, pool: TmemPool): void {
    this.#pools.set(uuid, pool);
  }

  /** The last member has left: the uuid is as if it had never been used (R64). O(shared pools). */
  forget(pool: TmemPool): void {
    for (const [uuid, each] of this.#pools) if (each === pool) this.#pools.delete(uuid);
  }
}
