/**
 * Where pages go that leave the store and must not be lost: a file of pages, behind one pool. Slot n is the page at byte
 * n * PAGE_BYTES; which page of the pool that is, and what its hash must be, the arena says.
 *
 * The file may be on the slowest disk there is, so nothing here is waited for: each call ends in one callback, later,
 * never within the call, and any number of calls may be under way.
 */

/** Ends a call. With an error nothing is known of what was to be read or written. */
export type SpillDone = (error: Error | undefined) => void;

export interface SpillFile {
  /** One page or more from `slot` on. `bytes` is the file's until the end. Written is: read so by any later read. */
  write(slot: number, bytes: Uint8Array, done: SpillDone): void;

  /** As many pages as `into` holds. A page that the file does not have is an error. */
  read(slot: number, into: Uint8Array, done: SpillDone): void;

  /** What was written before outlives a power loss. */
  sync(done: SpillDone): void;

  /** Gives the file's blocks back. No slot is in use, and no other call is under way. */
  empty(done: SpillDone): void;

  /** Ends its use. Calls that are under way end as they may, in no callback. */
  close(): void;
}
