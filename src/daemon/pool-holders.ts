import { TmemError } from '../base/errors.js';
import type { ShardStatus } from '../base/shard-port.js';

/** What a part of the arena has. */
export interface PartStatus {
  readonly part: number;
  readonly status: ShardStatus;
}

/**
 * Which part has which pool, by `GUEST/POOL`.
 *
 * @throws TmemError E_ARENA_DAMAGED: two parts have pages of one pool, and nobody knows which of them are the newer ones
 */
export function holdersOf(statuses: readonly PartStatus[]): Map<string, number> {
  const holders = new Map<string, number>();
  for (const { part, status } of statuses) {
    for (const { guest, name } of status.pools) {
      const key = `${guest}/${name}`;
      const other = holders.get(key);
      if (other !== undefined)
        throw new TmemError(
          'E_ARENA_DAMAGED',
          `pool ${key} has pages in shard-${other} and in shard-${part} of the arena, as if another tmem had served it in between: move away the folder that is the older one`,
        );
      holders.set(key, part);
    }
  }
  return holders;
}
