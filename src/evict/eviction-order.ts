/**
 * In what order the pages of one pool leave when room is needed. An order sees what is done to pages and answers with
 * the one to go; it holds no page, no clock and no capacity: whoever needs room asks until there is enough.
 *
 * Pages are known by entry, a number above 0 that the caller chooses, an order's {@link EntryTable} has room for, and
 * at most one order holds at a time. Where an order remembers pages that are gone it knows them by key, a fingerprint
 * of the handle in 32 bits: two pages with one key are taken for one, which costs a wrong guess and nothing else.
 *
 * Sizes are bytes as stored. Shares of queues are shares of bytes: a pool of pages that compress well is not given a
 * larger queue for it.
 */
import type { EntryQueue } from './entry-queue.js';

/** No page: entries begin with 1. */
export const NO_ENTRY = 0;

export interface EvictionOrder {
  /** Pages held now. */
  readonly pages: number;
  /** As stored, of the pages held now. */
  readonly bytes: number;
  /** What the order itself takes, ghosts and counters; entries are counted by their table. */
  readonly metadataBytes: number;
  /**
   * The queue whose oldest page is next, or null of an empty order. A guess where two queues are compared or where
   * the oldest page may have earned a second chance, but never a queue that is empty.
   */
  readonly victimQueue: EntryQueue | null;
  /** All queues, for those who set and read their tails; pages move by the order's verbs alone. */
  readonly queues: readonly EntryQueue[];

  /** A page was put that the order does not hold. `bytes` is 0 to 65,535. */
  insert(entry: number, key: number, bytes: number): void;
  /** A get found the page and left it. */
  hit(entry: number): void;
  /** A get found the page and took it out (R27). That it was wanted is remembered where the order remembers. */
  take(entry: number): void;
  /** A get found nothing; what the order remembers of the page is brought up to date. */
  miss(key: number): void;
  /** The page was flushed: it leaves without a trace. */
  remove(entry: number): void;
  /** The page was put again and is now stored in other bytes. It keeps its place (R19). */
  resize(entry: number, bytes: number): void;
  /** Chooses a page and lets it go; {@link NO_ENTRY} of an empty order. O(1), amortised over hits. */
  evict(): number;
}
