/**
 * What the staged batch will do to the index once it is written: a list of operations in the order of their records.
 *
 * @hot One row an operation, in arrays that are allocated once.
 */
import { movedTombstoneBytes, RecordKind } from './record.js';
import type { StoredObject, StoredPool } from './stored-object.js';

export const Op = {
  /** The page's record is at `location`, with this entry word. */
  store: 0,
  flushPage: 1,
  /** A tombstone that cleaning moves: it flushes nothing that is not flushed already. */
  moveTombstone: 2,
  /** Pages `[index, index + count)`. */
  flushRange: 3,
  flushObject: 4,
  flushPool: 5,
} as const;
export type Op = (typeof Op)[keyof typeof Op];

/** More than any turn of a server asks for; a batch that reaches it is committed early. */
export const BATCH_OPS_MAX = 4096;

/** Of {@link Batch.newestOf}: the batch leaves the page alone. */
export const NOT_STAGED = -1;

export class Batch {
  length = 0;
  readonly op: Uint8Array = new Uint8Array(BATCH_OPS_MAX);
  readonly index: Uint32Array = new Uint32Array(BATCH_OPS_MAX);
  /** Of a range: the number of pages. Of a tombstone that moves: its record's bytes. */
  readonly value: Float64Array = new Float64Array(BATCH_OPS_MAX);
  readonly word: Uint32Array = new Uint32Array(BATCH_OPS_MAX);
  /** Where the operation's own record is, for the segment's sums. */
  readonly location: Uint32Array = new Uint32Array(BATCH_OPS_MAX);
  readonly objects: (StoredObject | undefined)[] = [];
  readonly pools: (StoredPool | undefined)[] = [];
  /** Whether there is an operation that covers more than one page. */
  hasWide = false;

  takes(operations: number): boolean {
    return this.length + operations <= BATCH_OPS_MAX;
  }

  add(
    op: Op,
    object: StoredObject | undefined,
    pool: StoredPool | undefined,
    index: number,
    value: number,
    word: number,
    location: number,
  ): void {
    const at = this.length++;
    this.op[at] = op;
    this.objects[at] = object;
    this.pools[at] = pool;
    this.index[at] = index;
    this.value[at] = value;
    this.word[at] = word;
    this.location[at] = location;
    if (op >= Op.flushRange) this.hasWide = true;
  }

  /** The newest operation on this page, or {@link NOT_STAGED}. O(length). */
  newestOf(object: StoredObject, index: number): number {
    for (let at = this.length - 1; at >= 0; at--) {
      switch (this.op[at]) {
        case Op.store:
        case Op.flushPage:
          if (this.objects[at] === object && this.index[at] === index) return at;
          break;
        case Op.moveTombstone:
          break;
        case Op.flushRange: {
          const first = this.index[at]!;
          if (this.objects[at] === object && index >= first && index < first + this.value[at]!) return at;
          break;
        }
        case Op.flushObject:
          if (this.objects[at] === object) return at;
          break;
        default:
          if (this.pools[at] === object.pool) return at;
      }
    }
    return NOT_STAGED;
  }

  /** Of an operation that is no store: what its tombstone takes, once it has moved. */
  tombstoneBytesOf(at: number): number {
    const op = this.op[at]!;
    if (op === Op.moveTombstone) return this.value[at]!;
    return movedTombstoneBytes(op === Op.flushRange ? RecordKind.flushRange : RecordKind.flushPage);
  }

  /**
   * Whether the batch leaves a page stored in `[first, end)`; undefined where what was stored before is there still,
   * for all that this says. O(length).
   */
  storesIn(object: StoredObject, first: number, end: number): boolean | undefined {
    for (let at = this.length - 1; at >= 0; at--) {
      const op = this.op[at]!;
      const index = this.index[at]!;
      if (op === Op.store && this.objects[at] === object && index >= first && index < end) return true;
      const covers = op === Op.flushRange ? index <= first && index + this.value[at]! >= end : op > Op.flushRange;
      const isOurs = op === Op.flushPool ? this.pools[at] === object.pool : this.objects[at] === object;
      if (covers && isOurs) return false;
    }
    return undefined;
  }

  clear(): void {
    // References only keep objects from the garbage collector; numbers may stay, and the arrays: to set the length of one
    // is a call out of compiled code.
    for (let at = 0; at < this.length; at++) this.objects[at] = this.pools[at] = undefined;
    this.length = 0;
    this.hasWide = false;
  }
}
