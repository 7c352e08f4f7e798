/**
 * What a hook can stand on: numbered pages that somebody keeps. Synchronous; what was changed may be acknowledged
 * after {@link PageLayer.commit} has said that it is done.
 */
import type { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Address, PageIndex } from '../base/ids.js';

/** `damaged`: it was kept once, and what is there cannot be vouched for. */
export const LayerRead = { page: 0, nothing: 1, damaged: 2 } as const;
export type LayerRead = (typeof LayerRead)[keyof typeof LayerRead];

export interface PageLayer {
  /** Keeps a copy of the page at `from` in place of the old one. False: refused, and the old one stays. */
  replace(index: PageIndex, from: Address): boolean;

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
}
