import { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';
import { QueuedOrder } from './queued-order.js';

/**
 * First in, first out. Behind a guest that evicts the least recently used, with destructive gets, pool and guest
 * together are exactly one LRU list of both sizes: no gain and no loss against giving the guest the memory.
 */
export class Fifo extends QueuedOrder {
  protected readonly queue: EntryQueue;

  constructor(table: EntryTable) {
    const queue = new EntryQueue(table, 1);
    super(table, queue);
    this.queue = queue;
  }

  get metadataBytes(): number {
    return 0;
  }

  get victimQueue(): EntryQueue | null {
    return this.queue.pages === 0 ? null : this.queue;
  }

  insert(entry: number, key: number, bytes: number): void {
    this.table.occupy(entry, key, bytes);
    this.queue.push(entry);
  }

  hit(entry: number): void {
    this.table.countGet();
    this.queueOf(entry).countHit(entry);
  }

  take(entry: number): void {
    this.hit(entry);
    this.queue.remove(entry);
  }

  miss(_key: number): void {
    this.table.countGet();
  }

  evict(): number {
    const victim = this.queue.oldest;
    if (victim !== 0) this.queue.remove(victim);
    return victim;
  }
}
