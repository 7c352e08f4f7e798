/** What the host shows of itself: the one source of all that is only read (HTTP, metrics, dashboard). */

import { formatSize } from '../base/size.js';
import type { StatusDocument, StatusGuest, StatusLedger, Warning } from '../base/status.js';
import type { ExportSpec, GuestStatus, PoolStatus, RequestTimes, ShardStatus } from '../base/shard-port.js';
import { PAGE_BYTES } from '../base/units.js';
import type { StorePort } from './store-port.js';

export interface HostView {
  status(): Promise<StatusDocument>;
  /** The status, and what it has no place for: of one moment. */
  measurements(): Promise<Measurements>;
  decisions(): DecisionsDocument;
}

export interface Measurements {
  readonly status: StatusDocument;
  /** By export, `GUEST/NAME`. */
  readonly requestTimes: readonly { readonly export: string; readonly times: readonly RequestTimes[] }[];
  /** Of all pools, those that are gone as well. */
  readonly verifyFailures: number;
}

/** What the policy decided and why; empty until there is a policy. */
export interface DecisionsDocument {
  readonly v: 1;
  readonly decisions: readonly never[];
}

/** What does not come from the store. */
export interface HostFacts {
  readonly version: string;
  readonly arena: { readonly path: string; readonly fs: 'tmpfs' | 'disk' };
  readonly guests: readonly GuestFacts[];
  readonly warnings: readonly Warning[];
}

export interface GuestFacts {
  readonly name: string;
  readonly kind: 'vm' | 'process';
  readonly weight: number;
  readonly capBytes: number | null;
  readonly reservationBytes: number | null;
  readonly exports: readonly ExportSpec[];
}

/** This process, as far as the status tells of it. */
export interface ProcessFacts {
  readonly pid: number;
  readonly uptimeS: number;
  readonly rssBytes: number;
}

export function hostView(store: StorePort, facts: () => HostFacts, process: () => ProcessFacts): HostView {
  return {
    status: async () => {
      // First the store's: the facts must not be older than it, or a change between the two is half seen.
      const stored = await store.status();
      return statusOf(facts(), stored, process());
    },
    measurements: async () => {
      const stored = await store.status();
      return {
        status: statusOf(facts(), stored, process()),
        requestTimes: stored.exports.map(({ guest, name, requestTimes }) => ({
          export: `${guest}/${name}`,
          times: requestTimes,
        })),
        verifyFailures: stored.verifyFailures,
      };
    },
    decisions: () => ({ v: 1, decisions: [] }),
  };
}

export function statusOf(facts: HostFacts, store: ShardStatus, process: ProcessFacts): StatusDocument {
  return {
    v: 1,
    pid: process.pid,
    version: facts.version,
    uptime_s: process.uptimeS,
    rss_bytes: process.rssBytes,
    arena: {
      ...facts.arena,
      capacity_bytes: store.arena.capacityBytes,
      occupied_bytes: store.arena.occupiedBytes,
      live_bytes: store.arena.liveBytes,
      metadata_bytes: store.arena.metadataBytes,
      dedup_contents: store.arena.contents,
      dedup_saved_bytes: store.arena.savedBytes,
    },
    ledger: ledgerOf(store),
    policy: { name: null, interval_s: null, dry_run: null },
    guests: guestsOf(facts, store),
    exports: facts.guests.flatMap(({ exports }) => exports).map((spec) => exportOf(spec, store)),
    pools: store.pools.map(poolOf),
    warnings: [...facts.warnings, ...store.warnings, ...orphanedPools(facts, store)],
  };
}

/** `nbd+unix:///GUEST/NAME?socket=PATH`, as libnbd and QEMU read it. */
export function exportUri({ guest, name, socket }: Pick<ExportSpec, 'guest' | 'name' | 'socket'>): string {
  // Slashes are legal in a query and better read as they are.
  return `nbd+unix:///${guest}/${name}?socket=${encodeURIComponent(socket).replaceAll('%2F', '/')}`;
}

/**
 * Until there are drivers the host gives out the arena and nothing else. The index is kept outside the arena, so the
 * budget is the capacity and the metadata; what is stored comes off the capacity, and the rest of it is free. Pages that
 * share are charged as if they did not: together that may be more than there is.
 */
function ledgerOf({ arena, guests, pools }: ShardStatus): StatusLedger {
  const stored = (kind: PoolStatus['kind']): number =>
    pools.filter((pool) => pool.kind === kind).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const committed = {
    guests: 0,
    persistent: stored('persistent') - arena.savedBytes,
    ephemeral: stored('ephemeral'),
    metadata: arena.metadataBytes,
    reserve: 0,
  };
  return {
    budget_bytes: arena.capacityBytes + arena.metadataBytes,
    committed: { ...committed, free: arena.capacityBytes - committed.persistent - committed.ephemeral },
    measured: { resident: null, reported_free: null, image_cache: null, host_swap: null, unexplained: null },
    spill_bytes: guests.reduce((sum, { spilledPages }) => sum + spilledPages, 0) * PAGE_BYTES,
  };
}

/** The configured ones in their order, then those that only their pages remember. */
function guestsOf({ guests }: HostFacts, store: ShardStatus): StatusGuest[] {
  const stored = new Map(store.guests.map((guest) => [guest.name, guest]));
  const known = new Set(guests.map(({ name }) => name));
  const orphans = store.guests.filter(({ name }) => !known.has(name));
  return [
    ...guests.map((guest) => ({
      ...guestOf(guest.name, stored.get(guest.name)),
      kind: guest.kind,
      state: 'no-driver' as const,
      weight: guest.weight,
      reservation_bytes: guest.reservationBytes,
      cap_bytes: guest.capBytes,
    })),
    ...orphans.map((guest) => guestOf(guest.name, guest)),
  ];
}

function guestOf(name: string, stored: GuestStatus | undefined): StatusGuest {
  return {
    name,
    kind: null,
    state: 'orphaned',
    qmp: 'none',
    frozen: stored?.frozen ?? false,
    weight: null,
    reservation_bytes: null,
    cap_bytes: null,
    memory_bytes: null,
    persistent_pages: stored?.persistentPages ?? 0,
    ephemeral_pages: stored?.ephemeralPages ?? 0,
    stored_bytes: stored?.storedBytes ?? 0,
    spilled_pages: stored?.spilledPages ?? 0,
  };
}

/** Pages of a guest that is gone altogether are shown by its state; of a guest that stayed nothing else tells. */
function orphanedPools({ guests }: HostFacts, { pools }: ShardStatus): Warning[] {
  return pools
    .filter(({ guest, name, pages }) => {
      const exports = guests.find((each) => each.name === guest)?.exports;
      return pages > 0 && exports !== undefined && exports.every((spec) => spec.name !== name);
    })
    .map(({ guest, name, pages, storedBytes }) => ({
      code: 'orphaned-pool',
      text: `pool ${guest}/${name} keeps ${pages} pages (${formatSize(storedBytes)} stored) that no export serves: put [guest.${tomlKey(guest)}.swap.${name}] back into the config to read them, or give them up with "tmem pool destroy ${guest} ${name}"`,
    }));
}

/** Of what a guest's name may hold, a point alone needs quotes. */
function tomlKey(guest: string): string {
  return guest.includes('.') ? `"${guest}"` : guest;
}

function exportOf(spec: ExportSpec, store: ShardStatus): StatusDocument['exports'][number] {
  const counted = store.exports.find(({ guest, name }) => guest === spec.guest && name === spec.name);
  return {
    name: `${spec.guest}/${spec.name}`,
    mode: 'swap',
    socket: spec.socket,
    uri: exportUri(spec),
    size_bytes: spec.sizeBytes,
    connections: counted?.connections ?? 0,
    stored_pages: counted?.storedPages ?? 0,
    same_filled_pages: counted?.sameFilledPages ?? 0,
    stored_bytes: counted?.storedBytes ?? 0,
    // Without a spill file there is nothing to count.
    spilled_pages: spec.spill === null ? null : (counted?.spilledPages ?? 0),
    dedup_domain: spec.domain,
    dedup_pages: counted?.sharedPages ?? 0,
    reads: counted?.reads ?? 0,
    writes: counted?.writes ?? 0,
    trims: counted?.trims ?? 0,
    flushes: counted?.flushes ?? 0,
    errors: counted?.errors ?? 0,
  };
}

function poolOf(pool: PoolStatus): StatusDocument['pools'][number] {
  return {
    id: pool.id,
    guest: pool.guest,
    name: pool.name,
    kind: pool.kind,
    shared: pool.shared,
    inclusive: pool.inclusive,
    pages: pool.pages,
    stored_bytes: pool.storedBytes,
    dedup_pages: pool.sharedPages,
    puts: pool.puts,
    puts_ok: pool.putsOk,
    gets: pool.gets,
    gets_hit: pool.getsHit,
    flushes: pool.flushes,
    evicted: pool.evicted,
    verify_failures: pool.verifyFailures,
  };
}
