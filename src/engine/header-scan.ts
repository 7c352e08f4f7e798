/**
 * The first look of a recovery: the header of every file. Which segments have records, which are free, which are of no
 * use; the size of segments and the arena's own number.
 */
import { TmemError } from '../base/errors.js';
import { type Address, segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { PAGE_BYTES } from '../base/units.js';
import { type Census, sameCensus, takeCensus } from './census.js';
import type { Kernel } from './kernel.js';
import type { ArenaId } from './log-writer.js';
import { readOrNothing, UNREADABLE } from './read-around.js';
import type { RecoveryOptions } from './recovery.js';
import {
  FORMAT_VERSION,
  HEADER_COPY_BYTES,
  type HeaderReading,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  writeSegmentHeader,
} from './segment-header.js';
import { SEGMENTS_MAX, SegmentTable } from './segment-table.js';

/** A segment with records. */
export interface Found {
  readonly slot: SegmentSlot;
  readonly generation: number;
  /** Of its file. */
  readonly bytes: number;
  readonly closed: Census | undefined;
}

export class HeaderScan {
  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #options: RecoveryOptions;
  readonly #scratch: Address;
  readonly #report: (slot: SegmentSlot, offset: number, what: string) => void;
  #arena: ArenaId;
  #segments: SegmentTable | undefined;
  /** The largest sequence number that a header knows of. */
  sequence = 0;
  /** The newest record that a header says was synced; 0 where none does. */
  synced = 0;

  /** `scratch` holds a page. */
  constructor(
    kernel: Kernel,
    files: SegmentFiles,
    options: RecoveryOptions,
    scratch: Address,
    report: (slot: SegmentSlot, offset: number, what: string) => void,
  ) {
    this.#kernel = kernel;
    this.#files = files;
    this.#options = options;
    this.#scratch = scratch;
    this.#report = report;
    this.#arena = options.arena;
  }

  get arena(): ArenaId {
    return this.#arena;
  }

  get segments(): SegmentTable {
    return this.#segments!;
  }

  /** Segments with records, in the order of the log. */
  run(): Found[] {
    const found = this.#readHeaders().toSorted((a, b) => a.generation - b.generation);
    this.#expect(
      found.filter(({ closed }) => closed !== undefined),
      found,
    );
    return found;
  }

  /** Makes a segment one that is free, whose records the log does not reach. */
  leaveOut({ slot, bytes }: Found): void {
    if (this.#options.readOnly === true) return;
    if (bytes !== this.segments.segmentBytes) return this.#discard(slot);
    this.writeFree(slot);
    this.segments.addFree(slot);
  }

  /** On the file alone. */
  writeFree(slot: SegmentSlot): void {
    if (this.#options.readOnly === true) return;
    const { segmentBytes } = this.segments;
    const { low: arenaLow, high: arenaHigh } = this.#arena;
    const { sequence: spent, synced } = this;
    this.#rewrite({ slot, segmentBytes, generation: 0, spent, arenaLow, arenaHigh, synced });
  }

  /** Sorts the files into used, free and useless ones, and learns the size of segments. */
  #readHeaders(): Found[] {
    const files = this.#files.list();
    const readings = files.map((file) => {
      const { bytes } = this.#kernel;
      const length = readOrNothing(this.#files, file.slot, 0, bytes, this.#scratch, SEGMENT_HEADER_BYTES);
      // What cannot be read may be anything: never a file that is free.
      if (length === UNREADABLE) return { ...file, reading: { what: 'foreign' } as const };
      const reading = readSegmentHeader(this.#kernel, this.#scratch, length);
      if (reading.what === 'header' && reading.broken !== undefined) this.#mend(reading.header, reading.broken);
      return { ...file, reading };
    });
    for (const { reading } of readings) {
      if (reading.what !== 'header') continue;
      this.sequence = Math.max(this.sequence, reading.header.spent);
      this.synced = Math.max(this.synced, reading.header.synced ?? 0);
    }
    const first = readings.find(({ reading }) => reading.what === 'header')?.reading;
    const segmentBytes = first?.what === 'header' ? first.header.segmentBytes : this.#options.segmentBytes;
    if (first?.what === 'header') this.#arena = { low: first.header.arenaLow, high: first.header.arenaHigh };
    this.#kernel.saltGenerations(this.#arena.low, this.#arena.high);
    // The size of segments is that of the capacity the arena was made with, which may have grown since.
    const filesMax = Math.min(SEGMENTS_MAX, Math.floor(this.#options.capacityBytes / segmentBytes));
    const slots = Math.max(filesMax, (files.at(-1)?.slot ?? 0) + 1);
    const segments = new SegmentTable(segmentBytes, filesMax, slots, this.#options.budget);
    this.#segments = segments;
    // On tmpfs nothing is said of what is synced, and what was said on a disk is not true of what comes now.
    if (this.#files.syncing === undefined && this.#options.readOnly !== true) this.#forgetSynced(readings);

    const found: Found[] = [];
    for (const { slot, bytes, reading } of readings) {
      if (reading.what === 'version') throw otherVersion(slot, reading.version);
      if (reading.what === 'foreign') {
        this.#report(slot, 0, 'its header cannot be read');
      } else if (reading.what === 'blank' && !this.#isZero(slot, bytes < segmentBytes)) {
        this.#report(slot, 0, 'its header is gone');
      } else if (reading.what !== 'header' || reading.header.generation === 0) {
        if (bytes === segmentBytes) segments.addFree(slot);
        else this.#discard(slot);
      } else {
        const { header } = reading;
        if (header.slot !== slot) this.#report(slot, 0, `it says that it is segment ${header.slot}`);
        else if (header.arenaLow !== this.#arena.low || header.arenaHigh !== this.#arena.high) {
          this.#report(slot, 0, 'it belongs to another arena');
        } else {
          if (bytes < segmentBytes) this.#report(slot, bytes, `it ends after ${bytes} of ${segmentBytes} bytes`);
          found.push({ slot, bytes, generation: header.generation, closed: header.closed });
        }
      }
    }
    return found;
  }

  /** A log that was closed has the segments that it was closed with. */
  #expect(marked: readonly Found[], found: readonly Found[]): void {
    const census = takeCensus(this.#kernel, this.#scratch, found);
    for (const { slot, closed } of marked) {
      if (closed === undefined || sameCensus(closed, census)) continue;
      this.#report(
        slot,
        0,
        `it says that ${closed.segments} segments are in use, and ${found.length} of them are here`,
      );
      return;
    }
  }

  /**
   * A file that was made and never written to. A header that was torn when it was the first may stand in it, but not
   * before the file has its full length; on a disk a power loss may have taken that back.
   */
  #isZero(slot: SegmentSlot, isShort: boolean): boolean {
    const { bytes, view } = this.#kernel;
    const startsBlank = isShort && this.#files.syncing === undefined;
    for (let at = startsBlank ? 0 : SEGMENT_HEADER_BYTES; ; at += PAGE_BYTES) {
      const read = readOrNothing(this.#files, slot, at, bytes, this.#scratch, PAGE_BYTES);
      if (read === 0) return true;
      if (read === UNREADABLE) return false;
      bytes.fill(0, this.#scratch + read, this.#scratch + PAGE_BYTES);
      const word = view.getUint32(this.#scratch, true) | view.getUint32(this.#scratch + 4, true);
      if (word !== 0 || !this.#kernel.sameFilled(this.#scratch)) return false;
    }
  }

  /** One copy was torn or damaged. The next tear must find the other intact. */
  #mend(header: SegmentHeader, copy: 0 | 1): void {
    if (this.#options.readOnly === true) return;
    writeSegmentHeader(this.#kernel, this.#scratch, header);
    this.#writeCopy(segmentSlot(header.slot), copy);
  }

  #rewrite(header: SegmentHeader): void {
    writeSegmentHeader(this.#kernel, this.#scratch, header);
    for (const copy of [0, 1]) this.#writeCopy(segmentSlot(header.slot), copy);
  }

  #writeCopy(slot: SegmentSlot, copy: number): void {
    const at = copy * HEADER_COPY_BYTES;
    this.#files.write(slot, at, this.#kernel.bytes, this.#scratch + at, HEADER_COPY_BYTES);
  }

  #forgetSynced(readings: readonly { readonly slot: SegmentSlot; readonly reading: HeaderReading }[]): void {
    for (const { slot, reading } of readings) {
      if (reading.what !== 'header' || (reading.header.synced ?? 0) === 0 || reading.header.slot !== slot) continue;
      this.#rewrite({ ...reading.header, synced: 0 });
    }
    this.synced = 0;
  }

  /** A file that was being made, or given back, when the process died. */
  #discard(slot: SegmentSlot): void {
    if (this.#options.readOnly === true) return;
    const { segments } = this;
    segments.addLeaving(slot);
    this.#files.remove(slot, () => segments.gone(slot));
  }
}

function otherVersion(slot: SegmentSlot, version: number): TmemError {
  return new TmemError(
    'E_ARENA_VERSION',
    `segment ${slot} has format version ${version}, this tmem reads version ${FORMAT_VERSION}: start the tmem that wrote the arena, or move the arena away`,
  );
}
