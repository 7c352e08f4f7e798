import { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';
import { NO_ENTRY } from './eviction-order.js';
import { GhostTable, NO_GHOST } from './ghost-table.js';
import { QueuedOrder } from './queued-order.js';

/**
 * X-S3, for pools whose gets are destructive: S3-FIFO turned round for a cache that holds what its guest does not.
 *
 * A page counts its refaults, up to 7: gets that found it here, and gets that would have, had it not been evicted a
 * little before. Pages without a refault enter the queue `fresh`, the others `proven`. While `fresh` is above its
 * share, its oldest page goes, else that of `proven`, where a page with two refaults or more pays one and stays.
 *
 * Refaults are forgotten with the page's ghost. There are two kinds: of evicted pages, as many as the pool has pages;
 * and of pages that the guest has fetched and may put again, which are remembered apart, or pages that never come back
 * would crowd them out.
 */
export class XS3 extends QueuedOrder {
  readonly #fresh: EntryQueue;
  readonly #proven: EntryQueue;
  readonly #evicted = new GhostTable();
  readonly #fetched = new GhostTable();

  constructor(table: EntryTable) {
    const fresh = new EntryQueue(table, 1);
    const proven = new EntryQueue(table, 2);
    super(table, fresh, proven);
    this.#fresh = fresh;
    this.#proven = proven;
  }

  get metadataBytes(): number {
    return this.#evicted.bytes + this.#fetched.bytes;
  }

  get victimQueue(): EntryQueue | null {
    if (this.#fresh.pages === 0 && this.#proven.pages === 0) return null;
    return this.#freshIsNext() ? this.#fresh : this.#proven;
  }

  insert(entry: number, key: number, bytes: number): void {
    const table = this.table;
    table.occupy(entry, key, bytes);
    // A put that no get came before, as after a page was read around the pool, leaves an evicted page's refaults.
    const fetched = this.#fetched.take(key);
    const evicted = this.#evicted.take(key);
    const refaults = Math.max(fetched, evicted, 0);
    table.setFrequency(entry, refaults);
    (refaults === 0 ? this.#fresh : this.#proven).push(entry);
    const { pages } = this;
    this.#evicted.reach(pages * EVICTED_PER_PAGE);
    this.#fetched.reach(pages * FETCHED_PER_PAGE);
  }

  hit(entry: number): void {
    this.table.countGet();
    this.queueOf(entry).countHit(entry);
    this.table.setFrequency(entry, Math.min(REFAULTS_MAX, this.table.frequency(entry) + 1));
  }

  take(entry: number): void {
    this.hit(entry);
    this.remove(entry);
    this.#fetched.remember(this.table.key(entry), this.table.frequency(entry));
  }

  miss(key: number): void {
    this.table.countGet();
    const refaults = this.#evicted.take(key);
    if (refaults !== NO_GHOST) this.#fetched.remember(key, Math.min(REFAULTS_MAX, refaults + 1));
  }

  evict(): number {
    const table = this.table;
    if (this.#fresh.pages === 0 && this.#proven.pages === 0) return NO_ENTRY;
    while (!this.#freshIsNext()) {
      const oldest = this.#proven.oldest;
      const refaults = table.frequency(oldest);
      if (refaults < 2) return this.#leave(this.#proven, oldest);
      table.setFrequency(oldest, refaults - 1);
      this.#proven.refresh(oldest);
    }
    return this.#leave(this.#fresh, this.#fresh.oldest);
  }

  #freshIsNext(): boolean {
    return this.#proven.pages === 0 || this.#fresh.bytes > (this.#fresh.bytes + this.#proven.bytes) * FRESH_SHARE;
  }

  #leave(queue: EntryQueue, entry: number): number {
    queue.remove(entry);
    this.#evicted.remember(this.table.key(entry), this.table.frequency(entry));
    return entry;
  }
}

export const REFAULTS_MAX = 7;
/** Of the bytes held. */
export const FRESH_SHARE = 0.1;
/** As many ghosts as pages, and the room for keys that spread unevenly. */
export const EVICTED_PER_PAGE = 1.25;
/** Enough for a guest that has as much memory of its own, and the same room. */
export const FETCHED_PER_PAGE = 2;
