/** A shard's numbers as plain data. O(exports + pools), never O(pages). */
import type { ExportStatus, GuestStatus, PoolStatus, Recovered, ShardStatus } from '../base/shard-port.js';
import type { Warning } from '../base/status.js';
import type { Engine } from '../engine/engine.js';
import { LATENCY_BOUNDS_US } from '../serve/data/nbd/latency.js';
import type { NbdServer } from '../serve/data/nbd/server.js';
import type { Tmem } from '../tmem/tmem.js';
import type { TmemClient } from '../tmem/tmem-client.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { exportName, type ServedExport } from './served-export.js';

export function shardStatus(shard: {
  readonly capacityBytes: number;
  readonly recovered: Recovered;
  readonly engine: Engine;
  readonly tmem: Tmem;
  readonly exports: Iterable<ServedExport>;
  readonly server: NbdServer;
  readonly warnings: readonly Warning[];
}): ShardStatus {
  const { engine } = shard;
  const clients = [...shard.tmem.clients.values()];
  return {
    arena: {
      capacityBytes: shard.capacityBytes,
      occupiedBytes: engine.segments.occupiedBytes,
      liveBytes: engine.liveBytes,
      metadataBytes: shard.tmem.metadataBytes,
      ...engine.sharing,
    },
    recovered: shard.recovered,
    guests: clients.map(guestStatus),
    exports: [...shard.exports].map((served) => exportStatus(served, shard.server)),
    // A shared pool stands with each of its members, and is one.
    pools: [...new Set(clients.flatMap(({ pools }) => pools))].flatMap((pool) => (pool ? [poolStatus(pool)] : [])),
    verifyFailures: engine.verifyFailures,
    warnings: shard.warnings,
  };
}

function guestStatus(client: TmemClient): GuestStatus {
  return {
    name: client.name,
    persistentPages: client.persistentPages,
    ephemeralPages: client.ephemeralPages,
    storedBytes: client.storedBytes,
    spilledPages: client.pools.reduce((sum, pool) => sum + (pool?.owner === client ? pool.stored.spilledPages : 0), 0),
    frozen: client.frozen,
  };
}

function exportStatus({ spec, pool }: ServedExport, server: NbdServer): ExportStatus {
  const counted = server.counters(exportName(spec));
  const times = server.latencies(exportName(spec))?.report() ?? [];
  return {
    guest: spec.guest,
    name: spec.name,
    connections: counted?.connections ?? 0,
    storedPages: pool.pages,
    sameFilledPages: pool.stored.sameFilledPages,
    storedBytes: pool.stored.storedBytes,
    spilledPages: pool.stored.spilledPages,
    sharedPages: pool.stored.sharedPages,
    reads: counted?.reads ?? 0,
    writes: counted?.writes ?? 0,
    trims: counted?.trims ?? 0,
    flushes: counted?.flushes ?? 0,
    errors: counted?.errors ?? 0,
    requestTimes: times.map(({ command, counts, sumUs }) => ({ command, counts, sumUs, boundsUs: LATENCY_BOUNDS_US })),
  };
}

function poolStatus(pool: TmemPool): PoolStatus {
  const { puts, putsDone, gets, getsHit, flushes, objectFlushes, evicted, verifyFailures } = pool.statistics;
  return {
    id: pool.id,
    guest: pool.owner.name,
    name: pool.name,
    kind: pool.attributes.isPersistent ? 'persistent' : 'ephemeral',
    shared: pool.attributes.isShared,
    inclusive: pool.attributes.isInclusive,
    pages: pool.pages,
    sharedPages: pool.stored.sharedPages,
    storedBytes: pool.stored.storedBytes,
    puts,
    putsOk: putsDone,
    gets,
    getsHit,
    flushes: flushes + objectFlushes,
    evicted,
    verifyFailures,
  };
}
