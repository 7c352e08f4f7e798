import { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';
import { NO_ENTRY } from './eviction-order.js';
import { GhostTable, NO_GHOST } from './ghost-table.js';
import { QueuedOrder } from './queued-order.js';

/**
 * S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi 2023): new pages pass a small queue first, so that pages which are wanted
 * once leave soon; what was wanted twice in it, or again soon after it left, enters the main queue, where each page
 * stays one round longer for every get, up to three. A hit moves nothing.
 */
export class S3Fifo extends QueuedOrder {
  readonly #small: EntryQueue;
  readonly #main: EntryQueue;
  readonly #ghosts = new GhostTable();

  constructor(table: EntryTable) {
    const small = new EntryQueue(table, 1);
    const main = new EntryQueue(table, 2);
    super(table, small, main);
    this.#small = small;
    this.#main = main;
  }

  get metadataBytes(): number {
    return this.#ghosts.bytes;
  }

  get victimQueue(): EntryQueue | null {
    if (this.#small.pages === 0 && this.#main.pages === 0) return null;
    return this.#smallIsNext() ? this.#small : this.#main;
  }

  insert(entry: number, key: number, bytes: number): void {
    this.table.occupy(entry, key, bytes);
    (this.#ghosts.take(key) === NO_GHOST ? this.#small : this.#main).push(entry);
    this.#ghosts.reach(this.pages * S3_GHOSTS_PER_PAGE);
  }

  hit(entry: number): void {
    this.table.countGet();
    this.queueOf(entry).countHit(entry);
    this.table.setFrequency(entry, Math.min(S3_FREQUENCY_MAX, this.table.frequency(entry) + 1));
  }

  /** The page's ghost brings it into the main queue when it is put again. */
  take(entry: number): void {
    this.hit(entry);
    this.remove(entry);
    this.#ghosts.remember(this.table.key(entry), 0);
  }

  miss(_key: number): void {
    this.table.countGet();
  }

  evict(): number {
    const table = this.table;
    while (this.#small.pages > 0 || this.#main.pages > 0) {
      const small = this.#smallIsNext();
      const oldest = small ? this.#small.oldest : this.#main.oldest;
      const frequency = table.frequency(oldest);
      if (small) {
        this.#small.remove(oldest);
        if (frequency < S3_PROMOTED_AT) {
          this.#ghosts.remember(table.key(oldest), 0);
          return oldest;
        }
        table.setFrequency(oldest, 0);
        this.#main.push(oldest);
      } else {
        if (frequency === 0) {
          this.#main.remove(oldest);
          return oldest;
        }
        table.setFrequency(oldest, frequency - 1);
        this.#main.refresh(oldest);
      }
    }
    return NO_ENTRY;
  }

  #smallIsNext(): boolean {
    if (this.#small.pages === 0) return false;
    return this.#main.pages === 0 || this.#small.bytes >= (this.#small.bytes + this.#main.bytes) * SMALL_SHARE;
  }
}

export const S3_FREQUENCY_MAX = 3;
/** Gets in the small queue. */
export const S3_PROMOTED_AT = 2;
/** Of the bytes held. */
export const SMALL_SHARE = 0.1;
/** As many as the main queue has pages, and room for keys that spread unevenly. */
export const S3_GHOSTS_PER_PAGE = 1.15;
