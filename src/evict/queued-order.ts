import { assert } from '../base/assert.js';
import type { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';
import type { EvictionOrder } from './eviction-order.js';

/**
 * What orders made of queues share: how much they hold, and how a page changes its size or leaves without a trace.
 */
export abstract class QueuedOrder implements EvictionOrder {
  protected readonly table: EntryTable;
  /** By number; place 0 is empty, because queues are numbered from 1. */
  readonly #queues: readonly (EntryQueue | undefined)[];

  /** The queues as they are numbered: 1, 2 and so on. */
  protected constructor(table: EntryTable, ...queues: readonly EntryQueue[]) {
    this.table = table;
    this.#queues = [undefined, ...queues];
  }

  abstract readonly metadataBytes: number;
  abstract readonly victimQueue: EntryQueue | null;

  abstract insert(entry: number, key: number, bytes: number): void;
  abstract hit(entry: number): void;
  abstract take(entry: number): void;
  abstract miss(key: number): void;
  abstract evict(): number;

  get pages(): number {
    let pages = 0;
    for (let number = 1; number < this.#queues.length; number++) pages += this.#queues[number]!.pages;
    return pages;
  }

  get bytes(): number {
    let bytes = 0;
    for (let number = 1; number < this.#queues.length; number++) bytes += this.#queues[number]!.bytes;
    return bytes;
  }

  remove(entry: number): void {
    this.queueOf(entry).remove(entry);
  }

  resize(entry: number, bytes: number): void {
    this.queueOf(entry).resize(entry, bytes);
  }

  protected queueOf(entry: number): EntryQueue {
    const queue = this.#queues[this.table.queue(entry)];
    assert(queue !== undefined, 'the order holds the page');
    return queue;
  }
}
