import { Fifo } from './fifo.js';

/** Least recently used: what the others are compared with, and the order of pages whose gets keep them (R29, R43). */
export class Lru extends Fifo {
  override hit(entry: number): void {
    super.hit(entry);
    this.queue.refresh(entry);
  }
}
