/**
 * What segment files may still take of the capacity: one number for all shards of an arena, from which each takes for
 * the files that it makes and to which it gives for those that are gone. A port, so that the engine needs to know
 * neither of threads nor of how many others there are.
 */
export interface SegmentBudget {
  /** Bytes that nobody has. Below 0 where the capacity was lowered under what there is. */
  readonly leftBytes: number;

  /** Whether a store waits for room: what is left is for those that would refuse pages, not for anybody's slack. */
  readonly isWanted: boolean;

  /** @returns false, and nothing is taken: so much is not left */
  take(bytes: number): boolean;

  give(bytes: number): void;
}
