/**
 * Cleaning: what is still needed of a segment is appended to the log again, then the segment is free.
 *
 * The victim is the segment with the least to move; but once tombstones pass 3 % of the arena, the oldest, because
 * tombstones only die when nothing older than they is left.
 *
 * A tombstone moves only for what it still has to cover. Pages of its range that are stored now have newer records,
 * which cover the old ones themselves, and must not be flushed by a tombstone that comes behind them in the log.
 *
 * A victim may have been damaged since it was written. A page that cannot be read there is marked as lost; but where a
 * tombstone is missing, nobody knows what it covered: that segment stays as it is, and the next recovery refuses it.
 */
import { systemCode } from '../base/errors.js';
import { type Address, type PageIndex, pageIndex, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB } from '../base/units.js';
import type { Kernel } from './kernel.js';
import { type LogWriter, STAGE_BYTES } from './log-writer.js';
import { isPageKind, isTombstone, RecordField, RecordKind } from './record.js';
import { SegmentReader } from './segment-reader.js';
import type { SegmentTable } from './segment-table.js';
import type { StoreIndex } from './store-index.js';
import type { StoredObject } from './stored-object.js';

/** Most that is passed before what moves is written: what cleaning adds at once to the wait of a request, some 50 us. */
export const STEP_BYTES: number = 128 * KIB;

/**
 * A victim must free at least this part of a segment, and more than what a segment's end wastes where the next record
 * does not fit: or cleaning would copy without end and gain nothing.
 */
const GAIN_SHARE_MIN = 1 / 32;
const GAIN_BYTES_MIN: number = 2 * STAGE_BYTES;

/** Tombstones may take this part of the arena before age goes first. */
const TOMBSTONE_SHARE_MAX = 0.03;

/** Who appends what a victim still holds. All but the last stage only; false: no room. */
export interface Mover {
  /** A copy of a live record that stands at `from` in memory. */
  relocate(object: StoredObject, index: PageIndex, from: Address): boolean;
  /** "This page is lost", in place of a record that cannot be read any more. */
  markLost(object: StoredObject, index: PageIndex): boolean;
  relocateTombstone(kind: number, object: number, index: number, count: number): boolean;
  /** The object's name once more, behind all that was committed. */
  commitName(object: StoredObject): boolean;
  commitUpkeep(): boolean;
}

export class Cleaner {
  /** Bytes that cleaning has passed and did not have to keep, ever. */
  reclaimedBytes = 0;
  /** Bytes that cleaning itself has written, ever. */
  movedBytes = 0;

  readonly #mover: Mover;
  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #index: StoreIndex;
  readonly #segments: SegmentTable;
  readonly #log: LogWriter;
  readonly #reader: SegmentReader;
  #victim: SegmentSlot | undefined;
  #victimHasOlder = false;
  /** Of the victim: whether something in it could not be read, and bytes of tombstones that could. */
  #victimDamaged = false;
  #tombstonesSeen = 0;
  /** The object whose page was moved last out of the victim. */
  #movedLast: StoredObject | undefined;

  constructor(kernel: Kernel, files: SegmentFiles, index: StoreIndex, log: LogWriter, mover: Mover) {
    this.#kernel = kernel;
    this.#files = files;
    this.#index = index;
    this.#segments = index.segments;
    this.#log = log;
    this.#mover = mover;
    this.#reader = new SegmentReader(kernel, files);
  }

  /**
   * Passes the next `bytes` of the victim, choosing one if there is none. The batch must be empty, and is again
   * afterwards.
   *
   * @returns false when there is nothing worth cleaning, or no room to clean into
   */
  step(bytes: number = STEP_BYTES): boolean {
    if (this.#victim === undefined && !this.#choose()) return false;
    const victim = this.#victim!;
    const written = this.#log.writtenBytes;
    const from = this.#reader.offset;
    const ended = this.#segments.keptBytesOf(victim) === 0 || this.#passSome(victim, bytes);
    if (ended === 'stuck' || !this.#mover.commitUpkeep()) {
      this.#victim = undefined;
      return false;
    }
    const passed = (ended ? this.#segments.segmentBytes : this.#reader.offset) - from;
    const moved = this.#log.writtenBytes - written;
    this.movedBytes += moved;
    this.reclaimedBytes += Math.max(0, passed - moved);
    return ended ? this.#finish(victim) : true;
  }

  /** Of the victim; 0 where there is none. */
  get passedBytes(): number {
    return this.#victim === undefined ? 0 : this.#reader.offset;
  }

  #choose(): boolean {
    const { liveBytes, tombstoneBytes, segmentBytes } = this.#segments;
    const tombstonesFirst = tombstoneBytes > TOMBSTONE_SHARE_MAX * (liveBytes + tombstoneBytes);
    const victim =
      this.#segments.cheapest(segmentBytes) ??
      (tombstonesFirst ? this.#segments.oldest() : undefined) ??
      this.#segments.cheapest(Math.max(segmentBytes * GAIN_SHARE_MIN, GAIN_BYTES_MIN));
    if (victim === undefined) return false;
    this.#victim = victim;
    this.#victimHasOlder = this.#segments.hasOlder(victim);
    this.#victimDamaged = false;
    this.#tombstonesSeen = 0;
    this.#movedLast = undefined;
    this.#reader.open(victim, this.#segments.generationOf(victim));
    return true;
  }

  /** @returns whether the segment's end was reached, or `stuck` when there is no room to go on. */
  #passSome(victim: SegmentSlot, bytes: number): boolean | 'stuck' {
    const reader = this.#reader;
    const until = reader.offset + bytes;
    while (reader.offset < until) {
      if (!reader.next() && (reader.end === 'sealed' || !this.#passDamage())) return true;
      if (!this.#keep(victim)) return 'stuck';
    }
    return false;
  }

  /** Goes on with a record that can be read. False: there is none. */
  #passDamage(): boolean {
    const reader = this.#reader;
    if (reader.repair()) return reader.end !== 'sealed';
    this.#victimDamaged = true;
    return reader.resynchronise();
  }

  #keep(victim: SegmentSlot): boolean {
    const { record, kind, offset, bytes } = this.#reader;
    const { view } = this.#kernel;
    const number = view.getUint32(record + RecordField.object, true);
    const index = view.getUint32(record + RecordField.index, true);
    if (isPageKind(kind)) {
      const object = this.#index.objectWithNewest(number, index, this.#segments.locationOf(victim, offset));
      if (object === undefined) return true;
      this.#movedLast = object;
      return this.#mover.relocate(object, pageIndex(index), record);
    }
    if (!isTombstone(kind)) return true;
    this.#tombstonesSeen += bytes;
    if (!this.#victimHasOlder) return true;
    if (kind === RecordKind.flushPage) return this.#keepRange(kind, number, index, 1);
    if (kind === RecordKind.flushRange) {
      return this.#keepRange(kind, number, index, view.getUint32(record + RecordField.hash, true));
    }
    return this.#mover.relocateTombstone(kind, number, index, 0);
  }

  /** Keeps the tombstone for the pages of its range that are not stored now. */
  #keepRange(kind: number, number: number, first: number, count: number): boolean {
    const object = this.#index.objects.get(number);
    const end = first + count;
    if (object === undefined) return this.#mover.relocateTombstone(kind, number, first, count);
    for (let index = object.table.nextAbsent(first, end); index < end;) {
      const present = object.table.nextPresent(index, end);
      if (!this.#mover.relocateTombstone(kind, number, index, present - index)) return false;
      index = object.table.nextAbsent(present, end);
    }
    return true;
  }

  #finish(victim: SegmentSlot): boolean {
    this.#victim = undefined;
    // Without this tombstone an older copy of a page that was flushed would be its newest record.
    if (this.#victimDamaged && this.#tombstonesSeen < this.#segments.tombstoneBytesOf(victim)) {
      this.#segments.setAside(victim);
      return true;
    }
    if (this.#segments.liveBytesOf(victim) > 0 && !this.#markLost(victim)) return false;
    // A page whose payload was damaged moves as it is. At the very end of the log it would look like a torn write, be
    // left out by the next recovery, and an older copy of it be found: so something good comes behind it.
    if (this.#movedLast !== undefined && !this.#mover.commitName(this.#movedLast)) return false;
    try {
      this.#log.writeFreeHeader(victim);
    } catch (error) {
      // Its records are all superseded, so it may as well stay until the files take a write again.
      if (systemCode(error) === undefined) throw error;
      return false;
    }
    this.#segments.release(victim);
    if (this.#reader.hasUnreadable) this.#giveBackFreed();
    this.#segments.buryOldTombstones();
    return true;
  }

  /** Where bytes cannot be read none may be written either: the segment that was freed just now is not used again. */
  #giveBackFreed(): void {
    const slot = this.#segments.takeLeaving()!;
    this.#files.remove(slot, () => this.#segments.gone(slot));
  }

  /** What is still live here has a record that cannot be read. That must not turn into "never stored". O(pages). */
  #markLost(victim: SegmentSlot): boolean {
    for (const { object, index } of this.#index.pagesIn(victim)) {
      if (!this.#mover.markLost(object, index)) return false;
    }
    return this.#mover.commitUpkeep();
  }
}
