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
 * On a disk each segment begins with a position, which says what it builds on (see unsynced-end.ts), and a place where a
 * commit failed is not written again: of the two contents that it would have had since the last sync, a power loss may
 * leave either, sector by sector.
 *
 * @hot `stage` and `advance` run once per record.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome, outcomeOfFailure } from '../base/commit-outcome.js';
import { address, type Address, segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { type Census, MARKED_SEGMENTS, takeCensus } from './census.js';
import { HeaderWriter } from './header-writer.js';
import type { Kernel } from './kernel.js';
import { LogProgress } from './log-progress.js';
import { RECORD_BYTES_MAX, RECORD_HEADER_BYTES, recordBytes, RecordField, RecordKind } from './record.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';
import { SegmentState, type SegmentTable } from './segment-table.js';
import { NAME_BYTES_MAX } from './stored-object.js';

/** What a seal takes, kept free at the end of every segment. */
const SEAL_BYTES = RECORD_HEADER_BYTES;

/** A position has no payload. */
const POSITION_BYTES = RECORD_HEADER_BYTES;

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
  readonly progress: LogProgress = new LogProgress();

  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #segments: SegmentTable;
  readonly #arena: ArenaId;
  readonly #staging: Address;
  readonly #stagingEnd: number;
  readonly #headers: HeaderWriter;
  readonly #scratch: Address;
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
  /** Spans that this batch has filled. */
  #full: Span[] = [];
  /** Whether the files need a sync to outlive the host. */
  readonly #syncs: boolean;
  /** A commit failed in the open segment: the log goes on in another. */
  #mustRotate = false;
  /** A sync failed: nothing is written any more. */
  #isClosed = false;

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
    this.#syncs = options.files.syncing !== undefined;
    this.#staging = options.kernel.allocate(options.stagingBytes);
    this.#stagingEnd = this.#staging + options.stagingBytes;
    this.#headers = new HeaderWriter(options.kernel, options.files);
    this.#scratch = options.kernel.allocate(SEGMENT_HEADER_BYTES);
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
    if (this.#slot === NONE || this.#mustRotate) return 0;
    return this.#segments.segmentBytes - SEAL_BYTES - this.#fileAt - (this.#at - this.#from);
  }

  /** A sequence number: never given out before in this arena. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /** Whether the staging memory takes so many records with their names; if not, commit first. */
  hasStaging(records: number): boolean {
    return this.#at + records * STAGE_BYTES + SEAL_BYTES + POSITION_BYTES <= this.#stagingEnd;
  }

  /** Where to build the next `records`, all in one segment; undefined when the arena has no room for them. */
  stage(use: StagingUse, records: number = 1): Address | undefined {
    assert(this.hasStaging(records), 'a batch ends before staging does');
    // The open segment may be one of the reserve: puts must leave the rest of it to those that cannot be refused.
    if (use === 'put' && this.#segments.freeFiles < RESERVE_SEGMENTS && !this.#makeFree(use)) return undefined;
    if (this.roomBytes < records * STAGE_BYTES && !this.#rotate(use)) return undefined;
    return address(this.#at);
  }

  /** Takes `bytes` of what was staged into the batch. @returns the location they will have. */
  advance(bytes: number): number {
    const location = this.#segments.locationOf(segmentSlot(this.#slot), this.#fileAt + this.#at - this.#from);
    this.#at += bytes;
    this.progress.stage(this.#sequence);
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
    if (this.#isClosed) return this.#refuse();
    if (this.#at === this.#staging) return CommitOutcome.done;
    const spans = this.#spans();
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
    if (this.#full.length > 0) this.#full = [];
    this.#from = this.#at = this.#staging;
    this.progress.commit();
    return CommitOutcome.done;
  }

  /** Stages a position if a sync has ended since the last one, and the open segment has room for it. */
  mark(): void {
    if (this.progress.hasNews && this.hasStaging(1) && this.roomBytes >= POSITION_BYTES) this.#stagePosition();
  }

  /** From now on every commit is a fault: what was written last may be lost, and no promise could be kept. */
  refuseWrites(): void {
    this.#isClosed = true;
  }

  get refusesWrites(): boolean {
    return this.#isClosed;
  }

  /** Nothing of the batch is on file. */
  #refuse(): CommitOutcome {
    if (this.#at > this.#staging) {
      const spans = this.#spans();
      for (const { fresh, slot } of spans) if (fresh) this.#segments.release(slot);
      this.#goBackTo(spans[0]!);
    }
    return CommitOutcome.fault;
  }

  /** Seals the open segment, so that recovery has nothing to verify. The batch must be empty; only a mark may follow. */
  seal(): void {
    assert(this.stagedBytes === 0, 'the batch is committed');
    if (this.#slot !== NONE) {
      const slot = segmentSlot(this.#slot);
      this.#writeSeal(slot, this.#generation, this.#fileAt);
      this.#segments.seal(slot);
      this.#slot = NONE;
      this.#generation = 0;
      this.progress.stage(this.#sequence);
      this.progress.commit();
    }
  }

  /** Marks a log that is sealed as closed. */
  markClosed(): void {
    if (this.#headers.isUnsure) return;
    const used = this.#segments.inUse();
    const census = takeCensus(this.#kernel, this.#scratch, used);
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
    // On a disk a file that was made just now is not free yet.
    if (this.#segments.freeFiles <= spare && (!this.#makeFree(use) || this.#segments.freeFiles <= spare)) return false;
    const generation = this.nextSequence();
    const slot = this.#segments.takeFree(generation);
    assert(slot !== undefined, 'a free segment was there');
    if (this.#slot !== NONE) {
      this.#buildSeal(address(this.#at), this.#generation);
      this.#at += SEAL_BYTES;
      this.progress.stage(this.#sequence);
      this.#full.push(this.#currentSpan());
    }
    this.#slot = slot;
    this.#generation = generation;
    this.#fileAt = SEGMENT_HEADER_BYTES;
    this.#from = this.#at;
    this.#fresh = true;
    this.#mustRotate = false;
    if (this.#syncs) this.#stagePosition();
    return true;
  }

  #stagePosition(): void {
    const header = this.progress.position(this.nextSequence());
    this.#kernel.sealHeader(address(this.#at), header, this.#generation);
    this.advance(POSITION_BYTES);
  }

  /** Of the batch, in order; most have one. */
  #spans(): readonly Span[] {
    return this.#full.length === 0 ? [this.#currentSpan()] : [...this.#full, this.#currentSpan()];
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
      const blank = this.#scratch;
      this.#kernel.bytes.fill(0, blank, blank + CHECK_BYTES);
      for (const at of this.#recordsOf(span).toReversed()) {
        this.#files.write(span.slot, span.fileAt + at - span.from, this.#kernel.bytes, blank, CHECK_BYTES);
      }
      if (this.#segments.stateOf(span.slot) === SegmentState.sealed) this.#segments.reopen(span.slot);
    }
    this.#goBackTo(spans[0]!);
    this.progress.takenBack++;
    this.#mustRotate = this.#syncs;
  }

  /** The batch is gone. @param first - its first span */
  #goBackTo(first: Span): void {
    this.#slot = first.fresh ? NONE : first.slot;
    this.#generation = first.fresh ? 0 : first.generation;
    this.#fileAt = first.fileAt;
    this.#fresh = false;
    this.#full = [];
    this.#from = this.#at = this.#staging;
    this.progress.undo();
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

  #writeHeader(slot: SegmentSlot, generation: number, closed?: Census): void {
    const { segmentBytes } = this.#segments;
    const { low: arenaLow, high: arenaHigh } = this.#arena;
    const { synced } = this.progress;
    this.#headers.write(slot, {
      segmentBytes,
      generation,
      spent: this.#sequence,
      arenaLow,
      arenaHigh,
      synced,
      ...(closed && { closed }),
    });
  }

  #writeSeal(slot: SegmentSlot, generation: number, fileAt: number): void {
    this.#buildSeal(this.#scratch, generation);
    this.#files.write(slot, fileAt, this.#kernel.bytes, this.#scratch, SEAL_BYTES);
  }

  #buildSeal(to: Address, generation: number): void {
    const sequence = this.nextSequence();
    const header = { kind: RecordKind.seal, payloadBytes: 0, object: 0, index: 0, sequence, hashLow: 0, hashHigh: 0 };
    this.#kernel.sealHeader(to, header, generation);
  }
}
