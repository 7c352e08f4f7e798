/**
 * What a shard is told and what it reports, as plain data: it crosses a thread by structured clone, so it holds no
 * functions and no classes; the only buffers are those that threads share. The host sees it through its `StorePort`, the shard through its `Shard`; they may
 * not import each other, so the words they share live here.
 */
import type { RoomGiven, RoomOffer, RoomWish } from './shard-room.js';
import type { Warning } from './status.js';

/** A preswap export: an NBD disk of one guest. */
export interface ExportSpec {
  readonly guest: string;
  /** The export's own name; clients ask for `GUEST/NAME` or for the default export. */
  readonly name: string;
  /** A multiple of the page size, at most {@link EXPORT_BYTES_MAX}. */
  readonly sizeBytes: number;
  /** Where the shard listens: a path that is free (the daemon has removed a stale socket) and short enough. */
  readonly socket: string;
  /** Where its pages go that leave the store: an absolute path of a file that no other export uses; null for nowhere. */
  readonly spill: string | null;
  /** The trust domain inside which it may share pages with others; those of one domain share a shard. Null: it shares with none. */
  readonly domain: string | null;
}

/** Page numbers of an object are unsigned 32-bit integers: 16 TiB of pages. */
export const EXPORT_BYTES_MAX: number = 2 ** 32 * 4096;

/**
 * Most swap disks of a guest, those it had in former configs included: each is a pool (R4 leaves the number open; Xen
 * had 16 pools a client). One guest with a thousand of them is a mistake.
 */
export const EXPORTS_PER_GUEST_MAX = 1024;

/** What the host administrator says of a guest. */
export interface GuestLimits {
  readonly guest: string;
  /** Most stored bytes of persistent pages; null is no cap. */
  readonly capBytes: number | null;
  /** Its share where victims are chosen by weight. */
  readonly weight: number;
  /** Its pages are not taken for others below this many stored bytes; null is none. */
  readonly reservationBytes: number | null;
}

/** The same as a shard is told. */
export interface ShardLimits extends GuestLimits {
  /** Memory of its `GuestAccount`, where a limit holds over several shards. */
  readonly account: SharedArrayBuffer | null;
}

/** The store as a whole. */
export interface StoreOptions {
  /** An existing directory that nobody else uses: the daemon holds its lock. */
  readonly arena: string;
  /** What it is on decides what "durable" means: written, or synced. */
  readonly fs: 'tmpfs' | 'disk';
  /** Most bytes that the segment files may take. */
  readonly capacityBytes: number;
  readonly limits: readonly GuestLimits[];
  readonly exports: readonly ExportSpec[];
}

/** One shard of it. */
export interface ShardOptions extends StoreOptions {
  /** Which part of it is this shard's. */
  readonly part: number;
  /** Memory of the `SharedBudget` of that capacity, where there are other parts; null where this one is alone. */
  readonly budget: SharedArrayBuffer | null;
  readonly limits: readonly ShardLimits[];
}

/** What was found in the arena at start. */
export interface Recovered {
  readonly pages: number;
  readonly droppedRecords: number;
  readonly seconds: number;
}

export interface ArenaStatus {
  readonly capacityBytes: number;
  /** Bytes of the segment files: what the file system misses. */
  readonly occupiedBytes: number;
  /** Bytes of records that a get or a recovery still needs. */
  readonly liveBytes: number;
  /** Bytes of index and bookkeeping in memory, outside the arena. */
  readonly metadataBytes: number;
  /** What pages share: each is stored once. */
  readonly contents: number;
  /** What pools are charged for pages that share, and the arena does not take. */
  readonly savedBytes: number;
}

/** A guest with pages or exports; one that owns pools from an earlier config appears here too. */
export interface GuestStatus {
  readonly name: string;
  readonly persistentPages: number;
  readonly ephemeralPages: number;
  readonly storedBytes: number;
  /** Persistent pages that are in spill files. */
  readonly spilledPages: number;
  /** No fresh put and no new pool until it is thawed. */
  readonly frozen: boolean;
}

/** Requests of one command by the time they took. */
export interface RequestTimes {
  readonly command: string;
  /** Of each bucket alone; one more than there are bounds, for what is beyond the last. */
  readonly counts: readonly number[];
  readonly boundsUs: readonly number[];
  readonly sumUs: number;
}

export interface ExportStatus {
  readonly guest: string;
  readonly name: string;
  readonly connections: number;
  readonly storedPages: number;
  readonly sameFilledPages: number;
  readonly storedBytes: number;
  /** Those of the stored pages that are in the spill file. */
  readonly spilledPages: number;
  /** Those of the stored pages of which there is a content, whether or not another page is it too. */
  readonly sharedPages: number;
  /** Requests since the daemon started, not pages. */
  readonly reads: number;
  readonly writes: number;
  readonly trims: number;
  readonly flushes: number;
  readonly errors: number;
  /** Of the commands that there were requests of. */
  readonly requestTimes: readonly RequestTimes[];
}

export interface PoolStatus {
  readonly id: number;
  readonly guest: string;
  readonly name: string;
  readonly kind: 'persistent' | 'ephemeral';
  readonly shared: boolean;
  readonly inclusive: boolean;
  readonly pages: number;
  /** As of an export. */
  readonly sharedPages: number;
  readonly storedBytes: number;
  readonly puts: number;
  readonly putsOk: number;
  readonly gets: number;
  readonly getsHit: number;
  readonly flushes: number;
  readonly evicted: number;
  readonly verifyFailures: number;
}

export interface ShardStatus {
  readonly arena: ArenaStatus;
  readonly recovered: Recovered;
  readonly guests: readonly GuestStatus[];
  readonly exports: readonly ExportStatus[];
  readonly pools: readonly PoolStatus[];
  /** Of all pools, those that are gone as well. */
  readonly verifyFailures: number;
  /** What has gone wrong and still concerns somebody. */
  readonly warnings: readonly Warning[];
}

/** What the administrator's word has made the shard forget. */
export interface Forgotten {
  readonly pools: number;
  readonly pages: number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What the main thread asks; each `call` is answered once, in any order. */
export type ShardRequest = { readonly call: number } & (
  | { readonly verb: 'open'; readonly options: ShardOptions }
  | { readonly verb: 'status' }
  | { readonly verb: 'addExport'; readonly spec: ExportSpec }
  | { readonly verb: 'removeExport'; readonly guest: string; readonly name: string; readonly force: boolean }
  | { readonly verb: 'setLimits'; readonly limits: ShardLimits }
  | { readonly verb: 'freeze'; readonly guest: string | null; readonly frozen: boolean }
  | { readonly verb: 'removeGuest'; readonly guest: string; readonly force: boolean }
  | { readonly verb: 'flushPool'; readonly guest: string; readonly pool: string; readonly force: boolean }
  | { readonly verb: 'destroyPool'; readonly guest: string; readonly pool: string }
  | { readonly verb: 'offerRoom' }
  | { readonly verb: 'giveRoom'; readonly wish: RoomWish }
  | { readonly verb: 'roomGiven'; readonly givenBytes: number }
  | { readonly verb: 'ping' }
  | { readonly verb: 'stop' }
);

/**
 * `open` is answered with what was recovered, `status` with the status, what forgets with what was forgotten,
 * `offerRoom` and `giveRoom` with that, everything else with null.
 */
export type ShardAnswer = Recovered | ShardStatus | Forgotten | RoomOffer | RoomGiven | null;

/** What the shard says: an answer to a call, a failure of a call, a wish for room, or a line for the log. */
export type ShardReply =
  | { readonly call: number; readonly value: ShardAnswer }
  | { readonly call: number; readonly error: ShardFailure }
  | { readonly wish: RoomWish }
  | { readonly log: LogLevel; readonly text: string };

/** An error as it crosses the thread; `code` is one of the table of codes, `E_INTERNAL` for what has none. */
export interface ShardFailure {
  readonly code: string;
  readonly message: string;
  readonly stack: string | null;
}
