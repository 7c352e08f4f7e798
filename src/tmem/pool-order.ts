/**
 * The order in which the pages of an ephemeral pool leave, kept in step with what the engine's index holds. Orders know
 * pages by the cells of their entries in the index, so a page enters when its put is committed and has one, and leaves
 * before its entry does.
 *
 * @hot
 */
import type { PageIndex } from '../base/ids.js';
import type { Engine } from '../engine/engine.js';
import { NO_CELL } from '../engine/page-table.js';
import type { StoredObject } from '../engine/stored-object.js';
import type { EntryTable } from '../evict/entry-table.js';
import type { EvictionOrder } from '../evict/eviction-order.js';
import type { ObjectId } from './names.js';

export class PoolOrder {
  readonly order: EvictionOrder;
  readonly #engine: Engine;
  readonly #entries: EntryTable;

  constructor(engine: Engine, entries: EntryTable, order: EvictionOrder) {
    this.#engine = engine;
    this.#entries = entries;
    this.order = order;
  }

  /** A committed put; the page may have gone since. */
  welcome(id: ObjectId, object: StoredObject | undefined, index: PageIndex): void {
    const cell = object === undefined ? NO_CELL : this.#engine.cellOf(object, index);
    if (cell === NO_CELL) return;
    const bytes = this.#engine.storedBytesAt(cell);
    if (this.#entries.holds(cell)) this.order.resize(cell, bytes);
    else this.order.insert(cell, keyOf(id, index), bytes);
  }

  miss(id: ObjectId, index: PageIndex): void {
    this.order.miss(keyOf(id, index));
  }

  /** A get that leaves the page there. What the batch itself has put is not in the order yet. */
  hit(object: StoredObject, index: PageIndex): void {
    const cell = this.#engine.cellOf(object, index);
    if (this.#entries.holds(cell)) this.order.hit(cell);
  }

  /** A get that takes it out. */
  take(object: StoredObject, index: PageIndex): void {
    const cell = this.#engine.cellOf(object, index);
    if (this.#entries.holds(cell)) this.order.take(cell);
  }

  /** Pages that are flushed leave without a trace. O(pages stored there). */
  forget(object: StoredObject, first: number, count: number): void {
    for (const cell of this.#engine.cellsIn(object, first, first + count)) {
      if (this.#entries.holds(cell)) this.order.remove(cell);
    }
  }
}

/** What an order knows a page by that is gone: 32 bits of its handle, mixed. */
function keyOf(id: ObjectId, index: number): number {
  let key = Math.imul(index + 1, 0x85ebca6b);
  for (let rest = id; rest > 0n; rest >>= 32n) {
    key = Math.imul(key ^ (key >>> 15) ^ Number(rest & 0xffffffffn), 0x9e3779b1);
  }
  return (key ^ (key >>> 16)) >>> 0;
}
