/**
 * The status document of the API, `/api/v1/status`: what `tmem status --json` prints, byte for byte. Other people's
 * programs read it: fields are only ever added. Null is "unknown" or "not built yet". Field names carry their unit.
 */

export interface StatusDocument {
  readonly v: 1;
  readonly pid: number;
  readonly version: string;
  readonly uptime_s: number;
  readonly rss_bytes: number;
  readonly arena: {
    readonly path: string;
    readonly fs: 'tmpfs' | 'disk';
    readonly capacity_bytes: number;
    readonly occupied_bytes: number;
    readonly live_bytes: number;
    readonly metadata_bytes: number;
    readonly dedup_contents: number;
    /** What guests are charged for pages that share, and the arena does not take. */
    readonly dedup_saved_bytes: number;
  };
  readonly ledger: StatusLedger;
  readonly policy: {
    readonly name: string | null;
    readonly interval_s: number | null;
    readonly dry_run: boolean | null;
  };
  readonly guests: readonly StatusGuest[];
  readonly exports: readonly StatusExport[];
  readonly pools: readonly StatusPool[];
  readonly warnings: readonly Warning[];
}

/** Bytes. The committed lines add up to the budget; they say what is stored, not what guests are charged. */
export interface StatusLedger {
  readonly budget_bytes: number;
  readonly committed: {
    readonly guests: number;
    readonly persistent: number;
    readonly ephemeral: number;
    readonly metadata: number;
    readonly reserve: number;
    readonly free: number;
  };
  readonly measured: {
    readonly resident: number | null;
    readonly reported_free: number | null;
    readonly image_cache: number | null;
    readonly host_swap: number | null;
    readonly unexplained: number | null;
  };
  readonly spill_bytes: number | null;
}

export interface StatusGuest {
  readonly name: string;
  /** Null for a guest that only its old pages remember. */
  readonly kind: 'vm' | 'process' | null;
  readonly state: 'ok' | 'no-driver' | 'unreachable' | 'stopped' | 'orphaned' | 'unknown';
  readonly qmp: 'connected' | 'waiting' | 'failed' | 'none';
  readonly frozen: boolean;
  readonly weight: number | null;
  readonly reservation_bytes: number | null;
  readonly cap_bytes: number | null;
  readonly memory_bytes: number | null;
  readonly persistent_pages: number;
  readonly ephemeral_pages: number;
  readonly stored_bytes: number;
  readonly spilled_pages: number | null;
}

export interface StatusExport {
  readonly name: string;
  readonly mode: 'swap';
  readonly socket: string;
  readonly uri: string;
  readonly size_bytes: number;
  readonly connections: number;
  readonly stored_pages: number;
  readonly same_filled_pages: number;
  readonly stored_bytes: number;
  readonly spilled_pages: number | null;
  /** `trust NAME`, or `guest NAME` where the guest shares with itself alone; null where what is put is not shared. */
  readonly dedup_domain: string | null;
  /** Pages put while they could be shared, whether or not another has them: nobody learns from it what others store. */
  readonly dedup_pages: number;
  readonly reads: number;
  readonly writes: number;
  readonly trims: number;
  readonly flushes: number;
  readonly errors: number;
}

export interface StatusPool {
  readonly id: number;
  readonly guest: string;
  readonly name: string;
  readonly kind: 'persistent' | 'ephemeral';
  readonly shared: boolean;
  readonly inclusive: boolean;
  readonly pages: number;
  readonly stored_bytes: number;
  /** As of an export. */
  readonly dedup_pages: number;
  readonly puts: number;
  readonly puts_ok: number;
  readonly gets: number;
  readonly gets_hit: number;
  readonly flushes: number;
  readonly evicted: number;
  readonly verify_failures: number;
}

/** Whether anything is shared, or would be if it were put. */
export function isSharing({ arena, exports }: StatusDocument): boolean {
  return arena.dedup_contents > 0 || exports.some((each) => each.dedup_domain !== null);
}

/** Something that works, but not as well as somebody may think. `code` is stable, in kebab-case. */
export interface Warning {
  readonly code: string;
  readonly text: string;
}

/** `RUN_DIR/ready.json`: the daemon is up, and where everything is. */
export interface ReadyDocument {
  readonly v: 1;
  readonly pid: number;
  readonly version: string;
  readonly run_dir: string;
  readonly arena: string;
  readonly control: string;
  readonly http: string | null;
  readonly recovered: { readonly pages: number; readonly dropped_records: number; readonly seconds_s: number };
  readonly exports: readonly Pick<StatusExport, 'name' | 'socket' | 'uri' | 'mode' | 'size_bytes'>[];
}
