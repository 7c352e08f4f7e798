/**
 * Cleaning: what is still needed of a segment is appended to the log again, then the segment is free.
 *
 * The victim is the segment with the least to move; but once tombstones pass 3 % of the arena, the oldest, because
 * tombstones only die when nothing older than they is left.
 *
 * A tombstone that moves stands behind records that were written since, which it must not flush. One page's moves only
 * where the page is not stored now; a newer record covers the old ones itself. A range moves as it is, and says as of
 * when it holds: of its pages it covers those alone whose records are in segments opened before its own was.
 *
 * A victim may have been damaged since it was written. A page that cannot be read there is marked as lost; but where a
 * tombstone is missing, nobody knows what it covered: that segment stays as it is, and the next recovery refuses it.
 */
import { systemCode } from '../base/errors.js';
import { type Address, address, pageIndex, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB } from '../base/units.js';
import type { Kernel } from './kernel.js';
import type { ArenaSync } from './arena-sync.js';
import { type LogWriter, RESERVE_SEGMENTS, STAGE_BYTES } from './log-writer.js';
import type { Mover } from './mover.js';
import {
  asOfAt,
  isPageKind,
  isTombstone,
  RECORD_HEADER_BYTES,
  RecordField,
  RecordKind,
  movedTombstoneBytes,
} from './record.js';
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
  readonly #sync: ArenaSync | undefined;
  readonly #reader: SegmentReader;
  #victim: SegmentSlot | undefined;
  /** Generation of the oldest segment that had records when the victim was chosen. */
  #oldest = 0;
  /** Of the victim: whether something in it could not be read, and bytes of tombstones that could. */
  #victimDamaged = false;
  #tombstonesSeen = 0;
  /** There was no room for the record that the reader is at: it is the next to be moved. */
  #isStuck = false;
  /** Nothing of the victim is left to be moved: it only has to be finished with. */
  #isPassed = false;
  /** The object whose page was moved last out of the victim, ephemeral ones aside. */
  #movedLast: StoredObject | undefined;

  /** @param sync - where segments are free only after one */
  constructor(
    kernel: Kernel,
    files: SegmentFiles,
    index: StoreIndex,
    log: LogWriter,
    mover: Mover,
    sync: ArenaSync | undefined,
  ) {
    this.#kernel = kernel;
    this.#files = files;
    this.#index = index;
    this.#segments = index.segments;
    this.#log = log;
    this.#mover = mover;
    this.#sync = sync;
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
    const { failedCommits } = this.#mover;
    this.#isPassed ||= this.#segments.keptBytesOf(victim) === 0 || this.#passSome(victim, bytes);
    // What was staged before it got stuck is good as well. Where it was not written the victim must be passed again.
    const isWritten = this.#mover.commit() && this.#mover.failedCommits === failedCommits;
    const isFinished = isWritten && this.#isPassed && this.#finish(victim);
    const isStuck = this.#isPassed ? !isFinished : this.#isStuck;
    if (isFinished || !isWritten) this.#victim = undefined;
    const passed = (isFinished ? this.#segments.segmentBytes : this.#reader.offset) - from;
    const moved = this.#log.writtenBytes - written;
    this.movedBytes += moved;
    if (isWritten) this.reclaimedBytes += Math.max(0, passed - moved);
    return isWritten && !isStuck;
  }

  /** Of the victim; 0 where there is none. */
  get passedBytes(): number {
    return this.#victim === undefined ? 0 : this.#reader.offset;
  }

  #choose(): boolean {
    const { liveBytes, tombstoneBytes, segmentBytes } = this.#segments;
    // The reserve comes back with the next sync. Until then one of its segments is there for what cannot be refused.
    if (this.#segments.comingFiles > 0 && this.#segments.freeFiles < RESERVE_SEGMENTS) return false;
    const tombstonesFirst = tombstoneBytes > TOMBSTONE_SHARE_MAX * (liveBytes + tombstoneBytes);
    const oldestGeneration = this.#segments.oldestGeneration();
    const oldest = tombstonesFirst ? this.#segments.oldest() : undefined;
    // Behind a segment that was set aside they would move and not die.
    const canDie = oldest !== undefined && this.#segments.generationOf(oldest) === oldestGeneration;
    const victim =
      this.#segments.cheapest(segmentBytes) ??
      (canDie ? oldest : undefined) ??
      this.#segments.cheapest(Math.max(segmentBytes * GAIN_SHARE_MIN, GAIN_BYTES_MIN));
    if (victim === undefined) return false;
    this.#victim = victim;
    this.#oldest = oldestGeneration;
    this.#victimDamaged = false;
    this.#tombstonesSeen = 0;
    this.#isStuck = this.#isPassed = false;
    this.#movedLast = undefined;
    this.#reader.open(victim, this.#segments.generationOf(victim));
    return true;
  }

  /** @returns whether the segment's end was reached; else there may have been no room to go on. */
  #passSome(victim: SegmentSlot, bytes: number): boolean {
    const reader = this.#reader;
    const until = reader.offset + bytes;
    while (reader.offset < until) {
      if (!this.#isStuck && !reader.next() && (reader.end === 'sealed' || !this.#passDamage())) return true;
      this.#isStuck = !this.#keep(victim);
      if (this.#isStuck) return false;
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
    const { record, kind, offset } = this.#reader;
    const { view } = this.#kernel;
    const number = view.getUint32(record + RecordField.object, true);
    const index = view.getUint32(record + RecordField.index, true);
    if (isPageKind(kind)) {
      const object = this.#index.objectWithNewest(number, index, this.#segments.locationOf(victim, offset));
      if (object === undefined) return true;
      if (object.pool.isPersistent) this.#movedLast = object;
      return this.#mover.relocate(object, pageIndex(index), record);
    }
    if (!isTombstone(kind)) return true;
    if (kind === RecordKind.flushRangeAsOf && !this.#payloadHolds()) {
      this.#victimDamaged = true;
      return true;
    }
    if (!this.#keepTombstone(kind, number, index, this.#segments.generationOf(victim))) return false;
    this.#tombstonesSeen += movedTombstoneBytes(kind);
    return true;
  }

  /** Unless nothing is left that it covers: nothing older than its own segment has records. */
  #keepTombstone(kind: number, number: number, index: number, generation: number): boolean {
    const { record } = this.#reader;
    const { view } = this.#kernel;
    if (kind === RecordKind.flushRangeAsOf) {
      const { count, asOf } = asOfAt(view, record);
      return this.#oldest >= asOf || this.#mover.relocateRange(number, index, count, asOf);
    }
    if (this.#oldest >= generation) return true;
    if (kind === RecordKind.flushRange) {
      return this.#mover.relocateRange(number, index, hashLowAt(view, record), generation);
    }
    if (kind === RecordKind.flushPage && this.#index.isStored(this.#index.objects.get(number), index)) return true;
    return this.#mover.relocateTombstone(kind, number, index);
  }

  #payloadHolds(): boolean {
    const { record, payloadBytes } = this.#reader;
    return (
      this.#kernel.xxh3(address(record + RECORD_HEADER_BYTES), payloadBytes, 0) === hashLowAt(this.#kernel.view, record)
    );
  }

  #finish(victim: SegmentSlot): boolean {
    // Without this tombstone an older copy of a page that was flushed would be its newest record.
    if (this.#victimDamaged && this.#tombstonesSeen < this.#segments.tombstoneBytesOf(victim)) {
      this.#segments.setAside(victim);
      return true;
    }
    if (this.#segments.liveBytesOf(victim) > 0 && !this.#markLost(victim)) return false;
    // A page whose payload was damaged moves as it is. At the very end of the log it would look like a torn write, be
    // left out by the next recovery, and an older copy of it be found: so something good comes behind it.
    if (this.#movedLast !== undefined && !this.#mover.commitName(this.#movedLast)) return false;
    if (this.#sync !== undefined) {
      this.#sync.addCleaned(victim, this.#reader.hasUnreadable);
      return true;
    }
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
    const marked = this.#index.pagesIn(victim).every(({ object, index }) => this.#mover.markLost(object, index));
    return this.#mover.commit() && marked;
  }
}

/** The count of a range, or half of a payload's hash. */
function hashLowAt(view: DataView, record: Address): number {
  return view.getUint32(record + RecordField.hash, true);
}
