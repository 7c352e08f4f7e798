/**
 * Where the log of an arena on a disk ends after a power loss. Of what no sync vouches for, any part may be missing:
 * sectors of 512 bytes in any order, in any segment, and whole files. What is there is believed up to the first hole, and
 * nothing behind it. So what is recovered is the store as it was at one moment, not before the last sync: no page is
 * there without what was written before it.
 *
 *      segment 7                              segment 3                        segment 9
 *      │ position │ a │ b │ c │ d ... seal │  │ position │ e │ f ... seal │    │ position │ g │
 *                       ↑ synced: damage ⟸│⟹ the end                         follows: the seal of 3
 *
 * Three things tell a hole from the end of a write and from damage:
 *
 * - The newest sequence number that a sync vouched for. Headers and positions carry it; the largest that is found
 *   counts, wherever it stands, for it was true when it was written. Up to there what cannot be read is damage.
 * - A position at the start of each segment says which record came before: where that is neither synced nor was it
 *   read just now, something between is missing.
 * - Sequence numbers grow from record to record.
 */
import type { Address, SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import type { Found } from './header-scan.js';
import type { Kernel } from './kernel.js';
import { positionAt, RecordKind, sequenceAt } from './record.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';
import { SegmentReader } from './segment-reader.js';

/** Bytes of a segment that no sync vouches for. */
export interface Unsynced {
  readonly slot: SegmentSlot;
  readonly from: number;
  readonly to: number;
}

/** What is found behind a hole. */
export interface LeftOut {
  readonly records: number;
  /** Those in the hole's own segment. */
  readonly recordsHere: number;
}

export class UnsyncedEnd {
  /** The record that was read last. */
  last = 0;
  /** What no sync vouches for, segment by segment, as far as the log goes. */
  readonly unsynced: Unsynced[] = [];

  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #scratch: Address;
  /** The newest record that was synced, for all that is known by now. */
  #synced: number;
  /** Whether the segment was opened after that. */
  #isNew = false;
  /** Where in the segment the part begins that no sync vouches for. */
  #from: number | undefined;
  #ahead: SegmentReader | undefined;

  /**
   * @param synced - as headers have it; 0 where this does not apply: on tmpfs, or when the log was closed
   * @param scratch - holds a page
   */
  constructor(kernel: Kernel, files: SegmentFiles, synced: number, scratch: Address) {
    this.#kernel = kernel;
    this.#files = files;
    this.#synced = synced;
    this.#scratch = scratch;
  }

  /** Whether no sync vouches for what comes next. */
  get isLoose(): boolean {
    return this.#synced > 0 && this.last >= this.#synced;
  }

  begin({ generation }: Found): void {
    this.#isNew = this.#synced > 0 && generation > this.#synced;
    if (this.#isNew) this.last = Math.max(this.last, this.#synced);
    this.#from = this.#isNew ? 0 : undefined;
  }

  /** Whether the record that the reader has found, a seal too, does not go on with the log. */
  isHole(reader: SegmentReader): boolean {
    if (!this.isLoose) return false;
    this.#from ??= reader.offset;
    const { record, payloadBytes } = reader;
    if (reader.isUnreadable || !this.#kernel.payloadValid(record, payloadBytes, this.#scratch)) return true;
    if (sequenceAt(this.#kernel.view, record) <= this.last) return true;
    return this.#isNew && reader.offset === SEGMENT_HEADER_BYTES && !this.#follows(reader);
  }

  /** The record that the reader has found belongs to the log. */
  take({ record, kind }: SegmentReader): void {
    this.last = sequenceAt(this.#kernel.view, record);
    if (kind !== RecordKind.position || this.#synced === 0) return;
    this.#synced = Math.max(this.#synced, positionAt(this.#kernel.view, record).synced);
  }

  /** The segment's part of the log ends at `to`. */
  leave(slot: SegmentSlot, to: number): void {
    if (this.#from !== undefined && to > this.#from) this.unsynced.push({ slot, from: this.#from, to });
  }

  /**
   * What stands behind a hole at `offset` of the first of these segments. What it says of being synced counts: ask
   * {@link isLoose} again. O(bytes of the segments).
   */
  lookBehind(found: readonly Found[], offset: number): LeftOut {
    const reader = (this.#ahead ??= new SegmentReader(this.#kernel, this.#files));
    let records = 0;
    let recordsHere = 0;
    for (const [n, { slot, generation }] of found.entries()) {
      reader.open(slot, generation);
      while (reader.next() || (reader.end === 'broken' && reader.resynchronise())) {
        if (reader.kind === RecordKind.position && this.#synced > 0)
          this.#synced = Math.max(this.#synced, positionAt(this.#kernel.view, reader.record).synced);
        if (n === 0 && reader.offset <= offset) continue;
        if (!this.#kernel.payloadValid(reader.record, reader.payloadBytes, this.#scratch)) continue;
        records++;
        if (n === 0) recordsHere++;
      }
      // A seal is a record as well, where it would end what is written in its place.
      if (n === 0 && reader.end === 'sealed' && reader.offset > offset) recordsHere++;
    }
    return { records, recordsHere };
  }

  /** Whether all that the segment builds on is synced or was read. */
  #follows({ kind, record }: SegmentReader): boolean {
    return kind === RecordKind.position && positionAt(this.#kernel.view, record).follows <= this.last;
  }
}
