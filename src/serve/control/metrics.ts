/**
 * `/metrics`, for Prometheus and whoever reads its format. What is not built yet is absent, not zero. Counters begin
 * anew with the daemon, and with the pool or export that they are of.
 */
import { isSharing, type StatusDocument, type StatusPool } from '../../base/status.js';
import type { Measurements } from '../../host/host-view.js';
import { formatMetrics, histogramSamples, type Sample } from './metrics-text.js';

export function metricsText({ status, requestTimes, verifyFailures }: Measurements): string {
  return formatMetrics([
    {
      name: 'tmem_arena_bytes',
      type: 'gauge',
      help: 'The arena: most that its segments may take, what they take, records still needed; and the index, in memory.',
      samples: Object.entries({
        capacity: status.arena.capacity_bytes,
        occupied: status.arena.occupied_bytes,
        live: status.arena.live_bytes,
        metadata: status.arena.metadata_bytes,
      }).map(([state, value]) => ({ labels: { state }, value })),
    },
    {
      name: 'tmem_pages',
      type: 'gauge',
      help: 'Pages stored.',
      samples: status.pools.map((pool) => ({ labels: { ...poolLabels(pool), kind: pool.kind }, value: pool.pages })),
    },
    {
      name: 'tmem_stored_bytes',
      type: 'gauge',
      help: 'Bytes of the records of a guest, which its cap counts.',
      samples: storedBytes(status).map(({ guest, kind, bytes }) => ({ labels: { guest, kind }, value: bytes })),
    },
    {
      name: 'tmem_ops_total',
      type: 'counter',
      help: 'Verbs of transcendent memory, by what came of them.',
      samples: status.pools.flatMap(operations),
    },
    {
      name: 'tmem_evictions_total',
      type: 'counter',
      help: 'Ephemeral pages that made room for others.',
      samples: status.pools
        .filter(({ kind }) => kind === 'ephemeral')
        .map((pool) => ({ labels: poolLabels(pool), value: pool.evicted })),
    },
    {
      name: 'tmem_verify_failures_total',
      type: 'counter',
      help: 'Gets that found a page which is not what was stored.',
      samples: [{ labels: {}, value: verifyFailures }],
    },
    {
      name: 'tmem_spilled_pages',
      type: 'gauge',
      help: 'Pages of an export in its spill file.',
      samples: status.exports.flatMap(({ name, spilled_pages: pages }) =>
        pages === null ? [] : [{ labels: { export: name }, value: pages }],
      ),
    },
    {
      name: 'tmem_dedup_pages',
      type: 'gauge',
      help: 'Pages of an export that were put while it could share them, whether or not another has them.',
      samples: status.exports
        .filter((disk) => disk.dedup_domain !== null || disk.dedup_pages > 0)
        .map(({ name, dedup_pages: pages }) => ({ labels: { export: name }, value: pages })),
    },
    {
      name: 'tmem_dedup_contents',
      type: 'gauge',
      help: 'Contents that pages share: each is stored once.',
      samples: isSharing(status) ? [{ labels: {}, value: status.arena.dedup_contents }] : [],
    },
    {
      name: 'tmem_dedup_saved_bytes',
      type: 'gauge',
      help: 'Bytes that guests are charged for pages that share, and the arena does not take.',
      samples: isSharing(status) ? [{ labels: {}, value: status.arena.dedup_saved_bytes }] : [],
    },
    {
      name: 'tmem_nbd_request_seconds',
      type: 'histogram',
      help: 'From the last of a request being read to its reply being handed to the socket.',
      samples: requestTimes.flatMap(({ export: name, times }) =>
        times.flatMap(({ command, boundsUs, counts, sumUs }) =>
          histogramSamples(
            { export: name, command },
            boundsUs.map((bound) => bound / 1e6),
            counts,
            sumUs / 1e6,
          ),
        ),
      ),
    },
    {
      name: 'tmem_ledger_bytes',
      type: 'gauge',
      help: 'Committed lines of the ledger: they add up to the budget. What guests are charged and sharing saves is taken off.',
      samples: ledger(status),
    },
  ]);
}

function poolLabels({ guest, name }: StatusPool): { guest: string; pool: string } {
  return { guest, pool: name };
}

function operations(pool: StatusPool): Sample[] {
  const of = (op: string, result: string, value: number): Sample => ({
    labels: { ...poolLabels(pool), op, result },
    value,
  });
  return [
    of('put', 'done', pool.puts_ok),
    of('put', 'refused', pool.puts - pool.puts_ok),
    of('get', 'hit', pool.gets_hit),
    of('get', 'miss', pool.gets - pool.gets_hit - pool.verify_failures),
    of('get', 'damaged', pool.verify_failures),
    of('flush', 'done', pool.flushes),
  ];
}

/** By guest and kind, in the order of the pools. */
function storedBytes({ pools }: StatusDocument): { guest: string; kind: StatusPool['kind']; bytes: number }[] {
  const sums = new Map<string, { guest: string; kind: StatusPool['kind']; bytes: number }>();
  for (const { guest, kind, stored_bytes: bytes } of pools) {
    const sum = sums.get(`${kind} ${guest}`);
    if (sum === undefined) sums.set(`${kind} ${guest}`, { guest, kind, bytes });
    else sum.bytes += bytes;
  }
  return [...sums.values()];
}

/** What guests and the reserve are committed comes with the drivers. */
function ledger(status: StatusDocument): Sample[] {
  const { metadata, free } = status.ledger.committed;
  return [
    ...storedBytes(status).map(({ guest, kind, bytes }) => ({ labels: { line: kind, guest }, value: bytes })),
    ...(isSharing(status) ? [{ labels: { line: 'saved' }, value: -status.arena.dedup_saved_bytes }] : []),
    { labels: { line: 'metadata' }, value: metadata },
    { labels: { line: 'free' }, value: free },
  ];
}
