/** What the API answers to changes, and `tmem guest`, `export` and `pool` print with --json. Fields are only ever added. */
import type { StatusExport, StatusGuest, StatusPool } from './status.js';

/** Guests as they are now: those that were set, frozen or thawed; of a list, all. */
export interface GuestsDocument {
  readonly v: 1;
  readonly guests: readonly StatusGuest[];
}

export interface GuestDocument {
  readonly v: 1;
  readonly guest: StatusGuest;
  readonly exports: readonly StatusExport[];
  readonly pools: readonly StatusPool[];
}

export interface ExportsDocument {
  readonly v: 1;
  readonly exports: readonly StatusExport[];
}

export interface PoolsDocument {
  readonly v: 1;
  readonly pools: readonly StatusPool[];
}

/** `in_config`: the config names it, so that the next SIGHUP or restart serves it again. */
export interface GuestRemovedDocument {
  readonly v: 1;
  readonly guest: string;
  readonly exports: readonly string[];
  readonly pools: number;
  readonly pages: number;
  readonly in_config: boolean;
}

/** The pool with its pages is kept. */
export interface ExportRemovedDocument {
  readonly v: 1;
  readonly export: string;
  readonly kept_pages: number;
  readonly in_config: boolean;
}

/** Pages that were flushed. */
export interface PoolForgottenDocument {
  readonly v: 1;
  readonly pool: string;
  readonly pages: number;
}
