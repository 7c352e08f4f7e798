/**
 * What is known of each segment file: one row a slot, in typed arrays.
 *
 *      absent ──create──▶ free ──open──▶ open ──seal──▶ sealed ──clean──▶ free
 *         ▲                │                                │
 *         └────── gone ◀── leaving ◀────────────────────────┤ (when it is to be given back)
 *                                                           └──▶ aside (a tombstone in it cannot be read: for good)
 *
 * On a disk the way to `free` is longer, because what is given up may come back by a power loss:
 *
 *      sealed ──clean──▶ cleaned ──sync, free header──▶ freed ──sync──▶ free
 *      absent ──create──────────▲
 */
import { assert } from '../base/assert.js';
import { segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentBudget } from '../base/segment-budget.js';
import { unitsOf } from './record.js';

export const SegmentState = {
  absent: 0,
  free: 1,
  open: 2,
  sealed: 3,
  leaving: 4,
  aside: 5,
  cleaned: 6,
  freed: 7,
} as const;
export type SegmentState = (typeof SegmentState)[keyof typeof SegmentState];

/** Most files of an arena: each holds a descriptor. */
export const SEGMENTS_MAX = 32_768;

export class SegmentTable {
  readonly segmentBytes: number;
  /** Most files that the capacity allows. */
  readonly filesMax: number;
  /** Where files are taken from that capacity, if it is shared. */
  readonly budget: SegmentBudget | undefined;
  readonly #unitShift: number;
  readonly #state: Uint8Array;
  readonly #live: Uint32Array;
  readonly #tombstones: Uint32Array;
  readonly #generation: Float64Array;
  readonly #free: SegmentSlot[] = [];
  #files = 0;
  #filesAside = 0;
  #leaving = 0;
  #coming = 0;
  /** No slot from here on has ever had a file: what is looked for among all is looked for below. */
  #slotsUsed = 0;
  #liveBytes = 0;
  #tombstoneBytes = 0;

  /** `slots` may exceed `filesMax`: an arena that was made with a larger capacity. */
  constructor(segmentBytes: number, filesMax: number, slots: number, budget?: SegmentBudget) {
    this.segmentBytes = segmentBytes;
    this.filesMax = filesMax;
    this.budget = budget;
    this.#unitShift = Math.log2(unitsOf(segmentBytes));
    assert(Number.isInteger(this.#unitShift), 'segments are a power of two');
    assert(slots * unitsOf(segmentBytes) <= 2 ** 32, 'locations are 32 bits');
    this.#state = new Uint8Array(slots);
    this.#live = new Uint32Array(slots);
    this.#tombstones = new Uint32Array(slots);
    this.#generation = new Float64Array(slots);
  }

  get slots(): number {
    return this.#state.length;
  }

  /** Files that exist, in any state. Their number times the segment's size is what the arena occupies. */
  get files(): number {
    return this.#files;
  }

  get occupiedBytes(): number {
    return this.#files * this.segmentBytes;
  }

  /** What segments may take at most. */
  get capacityBytes(): number {
    return this.filesMax * this.segmentBytes;
  }

  /** Files less those that are on their way out. */
  get filesKept(): number {
    return this.#files - this.#leaving;
  }

  /** Files that no cleaning can free. */
  get filesAside(): number {
    return this.#filesAside;
  }

  get freeFiles(): number {
    return this.#free.length;
  }

  /** Files that will be free when they have been synced. */
  get comingFiles(): number {
    return this.#coming;
  }

  /** Bytes of records that are the newest of their page. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes of tombstones that still have something to cover. */
  get tombstoneBytes(): number {
    return this.#tombstoneBytes;
  }

  slotOf(location: number): SegmentSlot {
    return segmentSlot(location >>> this.#unitShift);
  }

  offsetOf(location: number): number {
    return (location << 4) & (this.segmentBytes - 1);
  }

  locationOf(slot: SegmentSlot, offset: number): number {
    return ((slot << this.#unitShift) >>> 0) + unitsOf(offset);
  }

  /** A {@link SegmentState}. */
  stateOf(slot: SegmentSlot): number {
    return this.#state[slot]!;
  }

  generationOf(slot: SegmentSlot): number {
    return this.#generation[slot]!;
  }

  liveBytesOf(slot: SegmentSlot): number {
    return this.#live[slot]!;
  }

  /** Bytes of its tombstones that still have something to cover. */
  tombstoneBytesOf(slot: SegmentSlot): number {
    return this.#tombstones[slot]!;
  }

  /** Bytes that cleaning this segment would have to move: live records, and tombstones still needed. */
  keptBytesOf(slot: SegmentSlot): number {
    return this.#live[slot]! + this.#tombstones[slot]!;
  }

  addLive(slot: SegmentSlot, bytes: number): void {
    this.#live[slot]! += bytes;
    this.#liveBytes += bytes;
  }

  addTombstone(slot: SegmentSlot, bytes: number): void {
    this.#tombstones[slot]! += bytes;
    this.#tombstoneBytes += bytes;
  }

  /** A slot without a file, or undefined when capacity allows no more. */
  absentSlot(): SegmentSlot | undefined {
    if (this.#files >= this.filesMax) return undefined;
    const slot = this.#state.indexOf(SegmentState.absent);
    return slot === -1 ? undefined : segmentSlot(slot);
  }

  /** A file that exists and is free. */
  addFree(slot: SegmentSlot): void {
    this.#addFile(slot, SegmentState.free);
    this.#free.push(slot);
  }

  /** A file that was made just now, without a header. */
  addCleaned(slot: SegmentSlot): void {
    this.#addFile(slot, SegmentState.cleaned);
    this.#coming++;
  }

  /** Nothing in it is needed, as soon as what came in its place is synced. */
  clean(slot: SegmentSlot): void {
    assert(this.#live[slot] === 0, 'a segment that is given up has no live page');
    this.#become(slot, SegmentState.sealed, SegmentState.cleaned);
    this.#forgetTombstones(slot);
    this.#coming++;
  }

  /** Its header says that it is free, as soon as that is synced. */
  free(slot: SegmentSlot): void {
    this.#become(slot, SegmentState.cleaned, SegmentState.freed);
  }

  /** Its free header is synced: whatever stood in it does not come back. */
  settle(slot: SegmentSlot): void {
    this.#become(slot, SegmentState.freed, SegmentState.free);
    this.#generation[slot] = 0;
    this.#coming--;
    this.#free.push(slot);
  }

  takeFree(generation: number): SegmentSlot | undefined {
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    this.#become(slot, SegmentState.free, SegmentState.open);
    this.#generation[slot] = generation;
    return slot;
  }

  /** A segment found at start, with records in it. */
  addSealed(slot: SegmentSlot, generation: number): void {
    this.#addFile(slot, SegmentState.sealed);
    this.#generation[slot] = generation;
  }

  /** A file found at start that is of no use and already on its way out. */
  addLeaving(slot: SegmentSlot): void {
    this.#addFile(slot, SegmentState.leaving);
    this.#leaving++;
  }

  seal(slot: SegmentSlot): void {
    this.#become(slot, SegmentState.open, SegmentState.sealed);
  }

  /** The log goes on in it after all. */
  reopen(slot: SegmentSlot): void {
    this.#become(slot, SegmentState.sealed, SegmentState.open);
  }

  /** Not to be cleaned: what it says of pages that are gone is not known any more, and must not be forgotten. */
  setAside(slot: SegmentSlot): void {
    this.#become(slot, SegmentState.sealed, SegmentState.aside);
    this.#filesAside++;
  }

  /** After cleaning, or when an opened segment was not used after all. */
  release(slot: SegmentSlot): void {
    assert(this.#live[slot] === 0, 'a segment that is given up has no live page');
    assert(this.#state[slot] === SegmentState.sealed || this.#state[slot] === SegmentState.open, 'it was in use');
    this.#forgetTombstones(slot);
    this.#state[slot] = SegmentState.free;
    this.#generation[slot] = 0;
    this.#free.push(slot);
  }

  /** Takes a free file out of use, to be given back to the file system. */
  takeLeaving(): SegmentSlot | undefined {
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    this.#become(slot, SegmentState.free, SegmentState.leaving);
    this.#leaving++;
    return slot;
  }

  gone(slot: SegmentSlot): void {
    this.#become(slot, SegmentState.leaving, SegmentState.absent);
    this.#files--;
    this.#leaving--;
    this.budget?.give(this.segmentBytes);
  }

  /** The sealed segment with the least to move, if cleaning it frees at least `gainBytes`. O(slots). */
  cheapest(gainBytes: number): SegmentSlot | undefined {
    let best = -1;
    let bestKept = this.segmentBytes - gainBytes + 1;
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#state[slot] !== SegmentState.sealed) continue;
      const kept = this.#live[slot]! + this.#tombstones[slot]!;
      if (kept < bestKept) {
        best = slot;
        bestKept = kept;
      }
    }
    return best === -1 ? undefined : segmentSlot(best);
  }

  /** Segments that have records, in the order of their slots. */
  *used(): Generator<SegmentSlot> {
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      const state = this.#state[slot];
      if (state === SegmentState.sealed || state === SegmentState.open) yield segmentSlot(slot);
    }
  }

  /** The sealed segment that was opened first. O(slots). */
  oldest(): SegmentSlot | undefined {
    let best = -1;
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#state[slot] !== SegmentState.sealed) continue;
      if (best === -1 || this.#generation[slot]! < this.#generation[best]!) best = slot;
    }
    return best === -1 ? undefined : segmentSlot(best);
  }

  /** Segments whose headers say that they have records, the newest first. O(slots log slots). */
  inUse(): { slot: SegmentSlot; generation: number }[] {
    const found = [];
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#hasRecords(slot) && this.#state[slot] !== SegmentState.freed) {
        found.push({ slot: segmentSlot(slot), generation: this.#generation[slot]! });
      }
    }
    return found.toSorted((a, b) => b.generation - a.generation);
  }

  /**
   * Generation of the oldest segment that has records, or may have them again; Infinity if none has. A tombstone that covers nothing so old has
   * nothing left to cover outside its segment, and dies with it. O(slots).
   */
  oldestGeneration(): number {
    let oldest = Infinity;
    for (let slot = 0; slot < this.#slotsUsed; slot++) {
      if (this.#hasRecords(slot)) oldest = Math.min(oldest, this.#generation[slot]!);
    }
    return oldest;
  }

  /** The oldest segment's tombstones are dead: nothing older is left for them to cover. */
  buryOldTombstones(): void {
    if (this.#tombstoneBytes === 0) return;
    const oldest = this.oldest();
    if (oldest !== undefined && this.#generation[oldest] === this.oldestGeneration()) this.#forgetTombstones(oldest);
  }

  #hasRecords(slot: number): boolean {
    const state = this.#state[slot];
    if (state === SegmentState.sealed || state === SegmentState.open || state === SegmentState.aside) return true;
    // What a power loss may bring back counts as well, but not a file that is new.
    return (state === SegmentState.cleaned || state === SegmentState.freed) && this.#generation[slot] !== 0;
  }

  #addFile(slot: SegmentSlot, state: SegmentState): void {
    this.#become(slot, SegmentState.absent, state);
    this.#files++;
    this.#slotsUsed = Math.max(this.#slotsUsed, slot + 1);
  }

  #forgetTombstones(slot: SegmentSlot): void {
    this.#tombstoneBytes -= this.#tombstones[slot]!;
    this.#tombstones[slot] = 0;
  }

  #become(slot: SegmentSlot, from: SegmentState, to: SegmentState): void {
    assert(this.#state[slot] === from, `segment ${slot} is in state ${this.#state[slot]}, not ${from}`);
    this.#state[slot] = to;
  }
}
