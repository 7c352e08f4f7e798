import { assert } from './assert.js';
import type { SegmentBudget } from './segment-budget.js';
import { KIB } from './units.js';

/**
 * A {@link SegmentBudget} in memory that threads share: one 32-bit integer, in KiB, changed by atomic operations. No
 * shard waits for another. Up to 2 TiB.
 */
export class SharedBudget implements SegmentBudget {
  /** Goes to another thread, whose `SharedBudget` over it is the same budget. */
  readonly memory: SharedArrayBuffer;
  readonly #left: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#left = new Int32Array(memory);
  }

  /** @param leftBytes - may be below 0 */
  static of(leftBytes: number): SharedBudget {
    const budget = new SharedBudget(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    Atomics.store(budget.#left, 0, Math.floor(leftBytes / KIB));
    return budget;
  }

  get leftBytes(): number {
    return Atomics.load(this.#left, 0) * KIB;
  }

  take(bytes: number): boolean {
    const wanted = inKib(bytes);
    for (let left = Atomics.load(this.#left, 0); left >= wanted;) {
      const found = Atomics.compareExchange(this.#left, 0, left, left - wanted);
      if (found === left) return true;
      left = found;
    }
    return false;
  }

  give(bytes: number): void {
    Atomics.add(this.#left, 0, inKib(bytes));
  }
}

function inKib(bytes: number): number {
  assert(bytes % KIB === 0, 'segments are whole KiB');
  return bytes / KIB;
}
