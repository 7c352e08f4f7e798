import type { SegmentSlot } from './ids.js';

/**
 * Where log segments are kept: a port, so that the engine runs on tmpfs, in memory, and on files that crash.
 *
 * Each segment is one file of fixed size, named by its slot. Calls are synchronous and in order: what a `write`
 * that returned has written survives the death of this process; whether it survives the host's, {@link FilesSync} says. A call that fails throws a system error (`ENOSPC`,
 * `EIO` ...) and may have had any part of its effect.
 */
export interface SegmentFiles {
  /** Slots that have a file, and its size in bytes, in ascending order of slot. */
  list(): readonly { slot: SegmentSlot; bytes: number }[];

  /**
   * Makes the file of a free slot, every byte of it zero and backed by memory or disk, so that no later write into
   * it can run out of room. When there is no room it throws `ENOSPC` and leaves no file.
   */
  create(slot: SegmentSlot, bytes: number): void;

  /** Reads up to `length` bytes to `into[offset]`; returns fewer only at the end of the file. */
  read(slot: SegmentSlot, at: number, into: Uint8Array, offset: number, length: number): number;

  /** Writes all of `from[offset, offset + length)` or throws. */
  write(slot: SegmentSlot, at: number, from: Uint8Array, offset: number, length: number): void;

  /**
   * Gives the file back, perhaps later: it may exist, unchanged, until `done` is called, and the slot is not free
   * before that. Giving back is slow (half a millisecond for 4 MiB of tmpfs), so it may happen on another thread.
   */
  remove(slot: SegmentSlot, done: () => void): void;

  /**
   * Waits for the removals that are under way: their `done` has been called when it returns. Except on a disk, which may
   * take long: there it changes nothing.
   */
  finishRemovals(): void;

  close(): void;

  /** There where what was written outlives this process and not the host: on a disk. On tmpfs there is no more to be had. */
  readonly syncing?: FilesSync | undefined;
}

/** What makes the files outlive a power loss. Until it was called any of the changes since may be lost, whatever came first. */
export interface FilesSync {
  /**
   * Makes all that was written, made and removed before this call outlive the host, files' names included. Returns at
   * once; `done` is called later, with the system error if it failed. What a sync that failed was to keep is unknown
   * for good: a later one that succeeds does not vouch for it. One at a time.
   */
  begin(done: (error: unknown) => void): void;

  /** The same while the caller waits: for start and stop. Also covers what another process has left. @throws a system error */
  now(): void;
}
