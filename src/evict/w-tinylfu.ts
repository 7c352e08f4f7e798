import { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';
import { FrequencyHistory } from './frequency-history.js';
import { QueuedOrder } from './queued-order.js';

/**
 * W-TinyLFU (Einziger, Friedman and Manes 2017), for pools whose gets keep the page. New pages enter a small window;
 * one that leaves it takes the place of the oldest page on probation only if it was asked for more often lately, else
 * it goes itself, and the page on probation gets another round: or one that was wanted often, and is no more, would
 * keep all others out until its count has faded. A page that is found on probation becomes protected; what is protected beyond its share goes back
 * on probation, as the youngest. Window, probation and protected pages are in order of their last use.
 *
 * Behind a guest with a cache of its own, what the guest has just read it will not ask for again soon: recency is
 * worth little here and frequency much, so counters are remembered longer than in a cache that stands alone.
 */
export class WTinyLfu extends QueuedOrder {
  readonly #window: EntryQueue;
  readonly #probation: EntryQueue;
  readonly #protected: EntryQueue;
  readonly #frequencies = new FrequencyHistory(SAMPLE_PER_PAGE);

  constructor(table: EntryTable) {
    const window = new EntryQueue(table, 1);
    const probation = new EntryQueue(table, 2);
    const protectedPages = new EntryQueue(table, 3);
    super(table, window, probation, protectedPages);
    this.#window = window;
    this.#probation = probation;
    this.#protected = protectedPages;
  }

  get metadataBytes(): number {
    return this.#frequencies.bytes;
  }

  get victimQueue(): EntryQueue | null {
    if (this.#probation.pages > 0) return this.#probation;
    if (this.#protected.pages > 0) return this.#protected;
    return this.#window.pages > 0 ? this.#window : null;
  }

  insert(entry: number, key: number, bytes: number): void {
    this.table.occupy(entry, key, bytes);
    this.#window.push(entry);
    this.#frequencies.reach(this.pages);
    // Nobody needs room, or several pages came since somebody did: the window does not keep more than its slack.
    while (this.#window.bytes > this.#windowTarget() * 2 + WINDOW_SLACK_BYTES && this.#window.pages > 1) {
      this.#admit(this.#window.oldest);
    }
  }

  hit(entry: number): void {
    const table = this.table;
    table.countGet();
    const queue = this.queueOf(entry);
    queue.countHit(entry);
    this.#frequencies.record(table.key(entry));
    if (queue !== this.#probation) {
      queue.refresh(entry);
      return;
    }
    queue.remove(entry);
    this.#protected.push(entry);
    const target = (this.#probation.bytes + this.#protected.bytes) * PROTECTED_SHARE;
    while (this.#protected.bytes > target) {
      const demoted = this.#protected.oldest;
      this.#protected.remove(demoted);
      this.#probation.push(demoted);
    }
  }

  /** The page's frequency stays, and is its ghost. */
  take(entry: number): void {
    this.table.countGet();
    const queue = this.queueOf(entry);
    queue.countHit(entry);
    this.#frequencies.record(this.table.key(entry));
    queue.remove(entry);
  }

  miss(key: number): void {
    this.table.countGet();
    this.#frequencies.record(key);
  }

  evict(): number {
    const candidate = this.#window.oldest;
    const queue = this.#probation.pages > 0 ? this.#probation : this.#protected;
    const victim = queue.oldest;
    if (victim === 0) {
      if (candidate !== 0) this.#window.remove(candidate);
      return candidate;
    }
    if (this.#window.bytes > this.#windowTarget()) {
      if (!this.#isWantedMore(candidate, victim)) {
        this.#window.remove(candidate);
        queue.refresh(victim);
        return candidate;
      }
      this.#admit(candidate);
    }
    queue.remove(victim);
    return victim;
  }

  #windowTarget(): number {
    return this.bytes * WINDOW_SHARE;
  }

  #admit(entry: number): void {
    this.#window.remove(entry);
    this.#probation.push(entry);
  }

  /** A draw goes to the page that is here already. */
  #isWantedMore(candidate: number, victim: number): boolean {
    const frequencies = this.#frequencies;
    return frequencies.estimate(this.table.key(candidate)) > frequencies.estimate(this.table.key(victim));
  }
}

/** Of the bytes held. */
export const WINDOW_SHARE = 0.01;
/** What the window may hold besides twice its share, so that small pools compare pages at all: two pages. */
export const WINDOW_SLACK_BYTES = 8192;
/** Of the bytes that are not in the window. */
export const PROTECTED_SHARE = 0.8;
/** Gets for each page held, in which counters are halved once. Measured: decision 27. */
export const SAMPLE_PER_PAGE = 30;
