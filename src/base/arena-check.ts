/** What an offline look at an arena found. */
export interface ArenaCheck {
  /** Version of the arena's format. */
  readonly version: number;
  readonly segments: number;
  readonly records: number;
  /** Live pages, damaged ones included. */
  readonly pages: number;
  /** Those of them that are in spill files, of which the arena has marks alone: the files are not looked at. */
  readonly spilledPages: number;
  /** Records after the last whole one of an unsealed segment: a write that a crash cut. Not damage. */
  readonly tornTail: boolean;
  /** Pages whose newest record cannot be read back; at most {@link DAMAGED_PAGES_MAX} of them are named. */
  readonly damaged: readonly DamagedPage[];
  readonly damagedPages: number;
  /** Places where nobody can tell whose records were there: the daemon refuses such an arena. */
  readonly damage: readonly string[];
}

export interface DamagedPage {
  /** `GUEST/NAME` of the pool, or `object N` where its name is lost. */
  readonly pool: string;
  readonly page: number;
}

/** Enough to see a pattern; a report of a million lines helps nobody. */
export const DAMAGED_PAGES_MAX = 1000;

/**
 * Reads the whole arena without changing it. The caller holds the arena's lock.
 * @throws TmemError E_ARENA_VERSION, or E_NOT_FOUND where there is no arena
 */
export type CheckArena = (arena: string, fs: 'tmpfs' | 'disk') => ArenaCheck;
