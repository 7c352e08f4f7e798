/**
 * The end of the log: records are staged in the kernel's memory and written together.
 *
 * A batch is one contiguous stretch of staging, cut into spans where it crosses into a new segment:
 *
 *      staging  │ record │ record │ seal ║ record │ record │
 *               └──── span 1: tail ──────╨─ span 2: head ──┘
 *                     of segment 7           of segment 3
 *
 * `commit` writes span after span, the header of a new segment before its records, so at every moment only the
 * newest segment lacks a seal, and recovery knows where a torn write can be. A commit that fails is undone on the
 * files too: the check words of its records are wiped, last record first.
 *
 * @hot `stage` and `advance` run once per record.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome, outcomeOfFailure } from '../base/commit-outcome.js';
import { address, type Address, segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { type Census, MARKED_SEGMENTS, takeCensus } from './census.js';
import type { Kernel } from './kernel.js';
import { RECORD_BYTES_MAX, RECORD_HEADER_BYTES, recordBytes, RecordField, RecordKind } from './record.js';
import { HEADER_COPY_BYTES, SEGMENT_HEADER_BYTES, writeSegmentHeader } from './segment-header.js';
import { SegmentState, type SegmentTable } from './segment-table.js';
import { NAME_BYTES_MAX } from './stored-object.js';

/** What a seal takes, kept free at the end of every segment. */
const SEAL_BYTES = RECORD_HEADER_BYTES;

/** A record without its check word is no record. */
const CHECK_BYTES = 4;

/** Room asked for at once: the largest record, with its object's name before it. */
export const STAGE_BYTES: number = RECORD_BYTES_MAX + recordBytes(NAME_BYTES_MAX);

/** Segments that puts may not use: one for tombstones, one for cleaning to write into. */
export const RESERVE_SEGMENTS = 2;

/** Put: refused when only the reserve is left. Upkeep: tombstones and cleaning, which use the reserve. */
export type StagingUse = 'put' | 'upkeep';

/** No segment is open. */
const NONE = -1;

interface Span {
  readonly slot: SegmentSlot;
  readonly generation: number;
  /** Where in the file the span begins. */
  readonly fileAt: number;
  /** Where in staging. */
  readonly from: number;
  readonly to: number;
  /** The segment was opened by this batch: its header is not written yet. */
  readonly fresh: boolean;
}

export interface ArenaId {
  readonly low: number;
  readonly high: number;
}

export class LogWriter {
  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #segments: SegmentTable;
  readonly #arena: ArenaId;
  readonly #staging: Address;
  readonly #stagingEnd: number;
  readonly #headerScratch: Address;
  /** Makes another free segment if the owner's limits allow it. */
  readonly #makeFree: (use: StagingUse) => boolean;

  #sequence: number;
  // The current span.
  #slot: number = NONE;
  #generation = 0;
  #fileAt = 0;
  #from: number;
  #fresh = false;
  /** Where the next record is staged. */
  #at: number;
  #written = 0;
  /** Segments whose header's second copy failed to be written. */
  readonly #secondCopyBad = new Set<SegmentSlot>();
  /** Segments whose header failed to be written: on file they may be in use or free. */
  readonly #headerUnsure = new Set<SegmentSlot>();
  /** Spans that this batch has filled. */
  #full: Span[] = [];

  constructor(options: {
    kernel: Kernel;
    files: SegmentFiles;
    segments: SegmentTable;
    arena: ArenaId;
    stagingBytes: number;
    sequence: number;
    makeFree: (use: StagingUse) => boolean;
  }) {
    this.#kernel = options.kernel;
    this.#files = options.files;
    this.#segments = options.segments;
    this.#arena = options.arena;
    this.#sequence = options.sequence;
    this.#makeFree = options.makeFree;
    this.#staging = options.kernel.allocate(options.stagingBytes);
    this.#stagingEnd = this.#staging + options.stagingBytes;
    this.#headerScratch = options.kernel.allocate(SEGMENT_HEADER_BYTES);
    this.#from = this.#at = this.#staging;
  }

  /** Generation of the segment that the next record goes to; 0 when none is open. */
  get generation(): number {
    return this.#generation;
  }

  get openSlot(): number {
    return this.#slot;
  }

  /** Staged and not committed. */
  get stagedBytes(): number {
    return this.#at - this.#staging;
  }

  /** What the open segment still takes. */
  get roomBytes(): number {
    if (this.#slot === NONE) return 0;
    return this.#segments.segmentBytes - SEAL_BYTES - this.#fileAt - (this.#at - this.#from);
  }

  /** A sequence number: never given out before in this arena. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /** Whether the staging memory takes another {@link STAGE_BYTES}; if not, commit first. */
  get hasStaging(): boolean {
    return this.#at + STAGE_BYTES + SEAL_BYTES <= this.#stagingEnd;
  }

  /** Where to build the next record, with room for {@link STAGE_BYTES}; undefined when the arena has no room for it. */
  stage(use: StagingUse): Address | undefined {
    assert(this.hasStaging, 'a batch ends before staging does');
    // The open segment may be one of the reserve: puts must leave the rest of it to those that cannot be refused.
    if (use === 'put' && this.#segments.freeFiles < RESERVE_SEGMENTS && !this.#makeFree(use)) return undefined;
    if (this.roomBytes < STAGE_BYTES && !this.#rotate(use)) return undefined;
    return address(this.#at);
  }

  /** Takes `bytes` of what was staged into the batch. @returns the location they will have. */
  advance(bytes: number): number {
    const location = this.#segments.locationOf(segmentSlot(this.#slot), this.#fileAt + this.#at - this.#from);
    this.#at += bytes;
    return location;
  }

  /** Where in staging the record with this location is, while its batch is not committed. */
  stagedAt(location: number): { record: Address; generation: number } {
    const slot = this.#segments.slotOf(location);
    const offset = this.#segments.offsetOf(location);
    if (slot === this.#slot && offset >= this.#fileAt) {
      return { record: address(this.#from + offset - this.#fileAt), generation: this.#generation };
    }
    const span = this.#full.find((full) => full.slot === slot && offset >= full.fileAt);
    assert(span !== undefined, 'a pending record is in staging');
    return { record: address(span.from + offset - span.fileAt), generation: span.generation };
  }

  /** Writes the batch. Unless that is done, nothing of it will ever be seen. */
  commit(): CommitOutcome {
    if (this.#at === this.#staging) return CommitOutcome.done;
    const spans = [...this.#full, this.#currentSpan()];
    try {
      for (const span of spans) this.#write(span);
    } catch (error) {
      const failure = outcomeOfFailure(error);
      this.#undo(spans);
      return failure;
    }
    this.#written += this.#at - this.#staging;
    this.#fileAt += this.#at - this.#from;
    this.#fresh = false;
    this.#full = [];
    this.#from = this.#at = this.#staging;
    return CommitOutcome.done;
  }

  /**
   * Seals the open segment, so that recovery has nothing to verify, and marks the log as closed. The batch must be
   * empty; nothing is written afterwards.
   */
  close(): void {
    assert(this.stagedBytes === 0, 'the batch is committed');
    if (this.#slot !== NONE) {
      const slot = segmentSlot(this.#slot);
      this.#writeSeal(slot, this.#generation, this.#fileAt);
      this.#segments.seal(slot);
      this.#slot = NONE;
      this.#generation = 0;
    }
    if (this.#headerUnsure.size > 0) return;
    const used = this.#segments.inUse();
    const census = takeCensus(this.#kernel, this.#headerScratch, used);
    for (const { slot, generation } of used.slice(0, MARKED_SEGMENTS)) this.#writeHeader(slot, generation, census);
  }

  /** Before the first change of a log that was closed. */
  wipeMark(slot: SegmentSlot): void {
    this.#writeHeader(slot, this.#segments.generationOf(slot));
  }

  /** Hides the records of a segment for good. The segment must have no live page. */
  writeFreeHeader(slot: SegmentSlot): void {
    this.#writeHeader(slot, 0);
  }

  /**
   * Goes on in the segment that recovery found unsealed, behind its last good record. A new segment instead would
   * cost a free one at every crash, until cleaning has none left to write into.
   */
  resume(slot: SegmentSlot, generation: number, fileAt: number): void {
    assert(this.#slot === NONE, 'no segment is open');
    this.#slot = slot;
    this.#generation = generation;
    this.#fileAt = fileAt;
  }

  /** Bytes ever committed. */
  get writtenBytes(): number {
    return this.#written;
  }

  #rotate(use: StagingUse): boolean {
    const spare = use === 'put' ? RESERVE_SEGMENTS : 0;
    if (this.#segments.freeFiles <= spare && !this.#makeFree(use)) return false;
    const generation = this.nextSequence();
    const slot = this.#segments.takeFree(generation);
    assert(slot !== undefined, 'a free segment was there');
    if (this.#slot !== NONE) {
      this.#buildSeal(address(this.#at), this.#generation);
      this.#at += SEAL_BYTES;
      this.#full.push(this.#currentSpan());
    }
    this.#slot = slot;
    this.#generation = generation;
    this.#fileAt = SEGMENT_HEADER_BYTES;
    this.#from = this.#at;
    this.#fresh = true;
    return true;
  }

  #currentSpan(): Span {
    return {
      slot: segmentSlot(this.#slot),
      generation: this.#generation,
      fileAt: this.#fileAt,
      from: this.#from,
      to: this.#at,
      fresh: this.#fresh,
    };
  }

  #write(span: Span): void {
    if (span.fresh) this.#writeHeader(span.slot, span.generation);
    this.#files.write(span.slot, span.fileAt, this.#kernel.bytes, span.from, span.to - span.from);
    if (span.slot !== this.#slot) this.#segments.seal(span.slot);
  }

  /**
   * Takes the batch back from the files, last record first, so that dying in between leaves a part of the batch from
   * its start, as a torn write does, and never a hole. When this fails too, files that took bytes a moment ago take
   * none at all: nobody was answered yet, so ending is safe, and the only thing that is.
   */
  #undo(spans: readonly Span[]): void {
    for (const span of spans.toReversed()) {
      if (span.fresh) {
        this.#writeHeader(span.slot, 0);
        this.#segments.release(span.slot);
        continue;
      }
      const blank = this.#headerScratch;
      this.#kernel.bytes.fill(0, blank, blank + CHECK_BYTES);
      for (const at of this.#recordsOf(span).toReversed()) {
        this.#files.write(span.slot, span.fileAt + at - span.from, this.#kernel.bytes, blank, CHECK_BYTES);
      }
      if (this.#segments.stateOf(span.slot) === SegmentState.sealed) this.#segments.reopen(span.slot);
    }
    const first = spans[0]!;
    this.#slot = first.fresh ? NONE : first.slot;
    this.#generation = first.fresh ? 0 : first.generation;
    this.#fileAt = first.fileAt;
    this.#fresh = false;
    this.#full = [];
    this.#from = this.#at = this.#staging;
  }

  /** Where in staging the span's records start. */
  #recordsOf(span: Span): number[] {
    const starts = [];
    for (let at = span.from; at < span.to;) {
      starts.push(at);
      at += recordBytes(this.#kernel.view.getUint16(at + RecordField.payloadBytes, true));
    }
    return starts;
  }

  /** Copy after copy, the one that may be bad first, so that one is good whenever this is cut short. */
  #writeHeader(slot: SegmentSlot, generation: number, closed?: Census): void {
    const { segmentBytes } = this.#segments;
    const { low: arenaLow, high: arenaHigh } = this.#arena;
    const spent = this.#sequence;
    const header = { slot, segmentBytes, generation, spent, arenaLow, arenaHigh, ...(closed && { closed }) };
    writeSegmentHeader(this.#kernel, this.#headerScratch, header);
    this.#headerUnsure.add(slot);
    const first = this.#secondCopyBad.has(slot) ? 1 : 0;
    this.#writeHeaderCopy(slot, first);
    // If the other copy fails now, it is the bad one from here on.
    if (first === 0) this.#secondCopyBad.add(slot);
    else this.#secondCopyBad.delete(slot);
    this.#writeHeaderCopy(slot, 1 - first);
    this.#secondCopyBad.delete(slot);
    this.#headerUnsure.delete(slot);
  }

  #writeHeaderCopy(slot: SegmentSlot, copy: number): void {
    const at = copy * HEADER_COPY_BYTES;
    this.#files.write(slot, at, this.#kernel.bytes, this.#headerScratch + at, HEADER_COPY_BYTES);
  }

  #writeSeal(slot: SegmentSlot, generation: number, fileAt: number): void {
    this.#buildSeal(this.#headerScratch, generation);
    this.#files.write(slot, fileAt, this.#kernel.bytes, this.#headerScratch, SEAL_BYTES);
  }

  #buildSeal(to: Address, generation: number): void {
    const sequence = this.nextSequence();
    const header = { kind: RecordKind.seal, payloadBytes: 0, object: 0, index: 0, sequence, hashLow: 0, hashHigh: 0 };
    this.#kernel.sealHeader(to, header, generation);
  }
}
