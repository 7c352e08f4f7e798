import { assert } from '../base/assert.js';
import type { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';
import type { EvictionOrder } from './eviction-order.js';

/**
 * What orders made of queues share: how much they hold, and how a page changes its size or leaves without a trace.
 */
export abstract class QueuedOrder implements EvictionOrder {
  readonly queues: readonly EntryQueue[];
  protected readonly table: EntryTable;

  /** The queues as they are numbered: 1, 2 and so on. */
  protected constructor(table: EntryTable, ...queues: readonly EntryQueue[]) {
    this.table = table;
    this.queues = queues;
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
    for (let at = 0; at < this.queues.length; at++) pages += this.queues[at]!.pages;
    return pages;
  }

  get bytes(): number {
    let bytes = 0;
    for (let at = 0; at < this.queues.length; at++) bytes += this.queues[at]!.bytes;
    return bytes;
  }

  remove(entry: number): void {
    this.queueOf(entry).remove(entry);
  }

  resize(entry: number, bytes: number): void {
    this.queueOf(entry).resize(entry, bytes);
  }

  protected queueOf(entry: number): EntryQueue {
    const queue = this.queues[this.table.queue(entry) - 1];
    assert(queue !== undefined, 'the order holds the page');
    return queue;
  }
}
