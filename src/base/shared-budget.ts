import { assert } from './assert.js';
import type { SegmentBudget } from './segment-budget.js';
import { KIB } from './units.js';

/**
 * A {@link SegmentBudget} in memory that threads share: 32-bit integers, changed by atomic operations. No shard waits for
 * another. The first is what is left, in KiB, up to 2 TiB; the second how many shards want some.
 */
export class SharedBudget implements SegmentBudget {
  /** Goes to another thread, whose `SharedBudget` over it is the same budget. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** @param leftBytes - may be below 0 */
  static of(leftBytes: number): SharedBudget {
    const budget = new SharedBudget(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
    Atomics.store(budget.#words, LEFT, Math.floor(leftBytes / KIB));
    return budget;
  }

  get leftBytes(): number {
    return Atomics.load(this.#words, LEFT) * KIB;
  }

  get isWanted(): boolean {
    return Atomics.load(this.#words, WANTING) > 0;
  }

  /** One more shard waits for room, or one less. */
  want(isMore: boolean): void {
    Atomics.add(this.#words, WANTING, isMore ? 1 : -1);
  }

  take(bytes: number): boolean {
    const wanted = inKib(bytes);
    for (let left = Atomics.load(this.#words, LEFT); left >= wanted;) {
      const found = Atomics.compareExchange(this.#words, LEFT, left, left - wanted);
      if (found === left) return true;
      left = found;
    }
    return false;
  }

  give(bytes: number): void {
    Atomics.add(this.#words, LEFT, inKib(bytes));
  }
}

const LEFT = 0;
const WANTING = 1;
const WORDS = 2;

function inKib(bytes: number): number {
  assert(bytes % KIB === 0, 'segments are whole KiB');
  return bytes / KIB;
}
