/** Several shards as one store: what each of them counts, together. */
import type { GuestStatus, PoolStatus, ShardStatus } from '../base/shard-port.js';

/**
 * At least one. A guest that several shards know is one, pools and exports are each in one shard. The time of the
 * recovery is that of the slowest.
 *
 * @param capacityBytes - of the store, which each shard takes for its own
 */
export function sumOfStatuses(statuses: readonly ShardStatus[], capacityBytes: number): ShardStatus {
  const sum = (of: (status: ShardStatus) => number): number => statuses.reduce((total, each) => total + of(each), 0);
  return {
    arena: {
      capacityBytes: Math.min(
        capacityBytes,
        sum(({ arena }) => arena.capacityBytes),
      ),
      occupiedBytes: sum(({ arena }) => arena.occupiedBytes),
      liveBytes: sum(({ arena }) => arena.liveBytes),
      metadataBytes: sum(({ arena }) => arena.metadataBytes),
      contents: sum(({ arena }) => arena.contents),
      savedBytes: sum(({ arena }) => arena.savedBytes),
    },
    recovered: {
      pages: sum(({ recovered }) => recovered.pages),
      droppedRecords: sum(({ recovered }) => recovered.droppedRecords),
      seconds: Math.max(...statuses.map(({ recovered }) => recovered.seconds)),
    },
    guests: guestsOf(statuses),
    exports: statuses.flatMap(({ exports }) => exports),
    pools: poolsOf(statuses),
    verifyFailures: sum(({ verifyFailures }) => verifyFailures),
    warnings: statuses.flatMap(({ warnings }) => warnings),
  };
}

/** In the order in which they are first met. */
function guestsOf(statuses: readonly ShardStatus[]): GuestStatus[] {
  const guests = new Map<string, GuestStatus>();
  for (const guest of statuses.flatMap((status) => status.guests)) {
    const known = guests.get(guest.name);
    guests.set(guest.name, known === undefined ? guest : together(known, guest));
  }
  return [...guests.values()];
}

function together(a: GuestStatus, b: GuestStatus): GuestStatus {
  return {
    name: a.name,
    persistentPages: a.persistentPages + b.persistentPages,
    ephemeralPages: a.ephemeralPages + b.ephemeralPages,
    storedBytes: a.storedBytes + b.storedBytes,
    spilledPages: a.spilledPages + b.spilledPages,
    frozen: a.frozen || b.frozen,
  };
}

/** A shard numbers a guest's pools from 0; here no two have one number, and those of one shard alone keep theirs. */
function poolsOf(statuses: readonly ShardStatus[]): PoolStatus[] {
  return statuses.flatMap(({ pools }, shard) =>
    pools.map((pool) => ({ ...pool, id: pool.id * statuses.length + shard })),
  );
}
