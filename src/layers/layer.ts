/**
 * What a hook can stand on: numbered pages that somebody keeps. Synchronous; what was changed may be acknowledged
 * after {@link PageLayer.commit} has said that it is done.
 */
import type { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Elsewhere } from '../base/elsewhere.js';
import type { Address, PageIndex } from '../base/ids.js';
import type { RoomWait } from '../base/room-wait.js';

/**
 * `damaged`: it was kept once, and what is there cannot be vouched for. `away`: it has to be fetched first, see
 * {@link PageLayer.elsewhere}.
 */
export const LayerRead = { page: 0, nothing: 1, damaged: 2, away: 3 } as const;
export type LayerRead = (typeof LayerRead)[keyof typeof LayerRead];

/**
 * Unless it is kept, the old page stays. `full`: no room, or over a cap. `later`: no room yet, some is being made. `frozen`:
 * the page is new, and its guest stores none until it is thawed.
 */
export const LayerWrite = { kept: 0, full: 1, later: 2, frozen: 3 } as const;
export type LayerWrite = (typeof LayerWrite)[keyof typeof LayerWrite];

export interface PageLayer {
  /** Keeps a copy of the page at `from` in place of the old one. */
  replace(index: PageIndex, from: Address): LayerWrite;

  /** Copies the page to `to`, with 64 bytes of slack behind it; untouched when there is nothing. */
  read(index: PageIndex, to: Address): LayerRead;

  has(index: PageIndex): boolean;

  /** Forgets pages `[first, first + count)`. Never refused. */
  flush(first: PageIndex, count: number): void;

  /** First page in `[first, end)` whose being kept differs from that of `first`; `end` if there is none. */
  endOfRun(first: number, end: number): number;

  /** Makes all changes since the last commit durable, or none of them. */
  commit(): CommitOutcome;

  /** To be called when what was committed is acknowledged: upkeep that nobody should wait for. */
  catchUp(): void;

  /** There where what was committed outlives the host only after a sync. */
  readonly durability?: Durability | undefined;

  /** There where pages may be away, and room may come. */
  readonly elsewhere?: Elsewhere | undefined;

  /** There where room may be on its way, so that a change has to wait. */
  readonly room?: RoomWait | undefined;
}
