/**
 * What a block server sees of a hook: an export of whole pages in the kernel's memory. Requests in bytes, of any
 * alignment, are the server's business only as far as cutting them into pages; part of a page is ours.
 *
 * All calls are synchronous. Nothing that was written, zeroed or discarded may be acknowledged before
 * {@link BlockFace.commit} has said that it is done. Parts of a page build on what the calls before left, committed or not, so
 * that two parts of one page in one batch are both there after it. A damaged page is no hole until it is flushed.
 */
import type { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Elsewhere } from '../base/elsewhere.js';
import type { Address } from '../base/ids.js';
import type { RoomWait } from '../base/room-wait.js';

/**
 * `damaged`: stored once, but what came back fails verification, or the record is known to be lost. `away`: it has to be
 * fetched first, see {@link BlockFace.elsewhere}. `unread`: it could not be fetched.
 */
export const ReadOutcome = { data: 0, hole: 1, damaged: 2, away: 3, unread: 4 } as const;
export type ReadOutcome = (typeof ReadOutcome)[keyof typeof ReadOutcome];

/**
 * Unless it is stored, the page is what it was. `full`: no room or over a cap. `damaged`: part of a page that cannot be
 * read. `away`: part of a page that has to be fetched first. `unread`: of one that could not be fetched. `later`: no room
 * yet. `frozen`: the page is new, and its guest stores none until it is thawed.
 */
export const WriteOutcome = { stored: 0, full: 1, damaged: 2, away: 3, unread: 4, later: 5, frozen: 6 } as const;
export type WriteOutcome = (typeof WriteOutcome)[keyof typeof WriteOutcome];

export interface BlockFace {
  /** A multiple of the page size. */
  readonly sizeBytes: number;

  /** The whole page to `to`, which needs 64 bytes of slack after the page. A hole leaves `to` untouched; it reads as zeros. */
  readPage(page: number, to: Address): ReadOutcome;

  /** Bytes `[start, start + length)` of the page to `to`. A hole leaves `to` untouched; it reads as zeros. */
  readPart(page: number, start: number, length: number, to: Address): ReadOutcome;

  /** All or nothing: refused, the old page stays. */
  writePage(page: number, from: Address): WriteOutcome;

  /** Bytes `[start, start + length)` of the page, the rest kept. All or nothing. */
  writePart(page: number, start: number, length: number, from: Address): WriteOutcome;

  /** Zeros in part of a page, the rest kept. Whole pages are {@link BlockFace.flushPages}. */
  zeroPart(page: number, start: number, length: number): WriteOutcome;

  /** Pages `[first, first + count)` become holes. Never refused. Bounded: `count` is at most {@link FLUSH_PAGES_MAX}. */
  flushPages(first: number, count: number): void;

  /** First page in `[first, end)` whose being a hole differs from that of `first`; `end` if there is none. */
  endOfRun(first: number, end: number): number;

  isHole(page: number): boolean;

  /**
   * Makes everything since the last commit durable and visible, all or nothing. Unless that is done, none of it
   * happened, and each of its requests is to be answered with "no space", or "I/O error" if it was a fault.
   */
  commit(): CommitOutcome;

  /** To be called when the replies of what was committed have left: upkeep that no request should wait for. */
  catchUp(): void;

  /** There where what was committed does not outlive the host yet: FLUSH and FUA then wait for a sync. */
  readonly durability?: Durability | undefined;

  /** There where pages may be away, and room may come: such requests can be carried out later. */
  readonly elsewhere?: Elsewhere | undefined;

  /** Where room may be on its way: in place of the durability's own word on that. */
  readonly room?: RoomWait | undefined;
}

/** A TRIM of gigabytes is cut to this, 512 MiB, so that no turn of the event loop takes long. */
export const FLUSH_PAGES_MAX = 131_072;
