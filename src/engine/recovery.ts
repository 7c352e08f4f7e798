/**
 * From segment files to an index, after any death.
 *
 * Segments are replayed in the order of their generations, records in the order they stand, so the newest record of
 * a page, or the tombstone behind it, has the last word. Only the newest segment may lack its seal, and only where the
 * log was not closed: there it was being written, payloads are verified, and the first record that fails is where the
 * death tore it. Anywhere else a record that cannot be read is damage. What is damaged and known by its handle stays
 * as a page that answers "damaged"; where even the handle is unknown, an older copy of some page might now pass for
 * its newest, so the arena is refused rather than served.
 */
import { TmemError } from '../base/errors.js';
import { type Address, objectNumber, poolNumber, segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { PAGE_BYTES } from '../base/units.js';
import { type Census, sameCensus, takeCensus } from './census.js';
import type { Kernel } from './kernel.js';
import type { ArenaId } from './log-writer.js';
import { MovedRanges } from './moved-ranges.js';
import { ENTRY_LOST } from './page-entry.js';
import { readOrNothing, UNREADABLE } from './read-around.js';
import {
  asOfAt,
  isPageKind,
  isTombstone,
  RECORD_HEADER_BYTES,
  RecordField,
  RecordKind,
  sequenceAt,
  movedTombstoneBytes,
} from './record.js';
import {
  FORMAT_VERSION,
  HEADER_COPY_BYTES,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  writeSegmentHeader,
} from './segment-header.js';
import { SegmentReader } from './segment-reader.js';
import { SEGMENTS_MAX, SegmentTable } from './segment-table.js';
import { INDEX_END, StoreIndex } from './store-index.js';
import { EPHEMERAL_NUMBERS, type StoredObject, StoredPool } from './stored-object.js';

/** Sequence numbers left out at each start: what a torn batch may have used and nobody can read any more. */
const SEQUENCE_GAP = 2 ** 20;

export interface Damage {
  readonly slot: SegmentSlot;
  readonly offset: number;
  readonly what: string;
  /** Set where the damaged record's page is known; the others make the arena unusable. */
  readonly page?: { readonly object: StoredObject; readonly index: number };
}

export interface RecoveredLog {
  readonly index: StoreIndex;
  readonly nextObject: number;
  readonly nextPool: number;
  readonly sequence: number;
  readonly arena: ArenaId;
  /** The unsealed segment and where its good records end. */
  readonly open?: { readonly slot: SegmentSlot; readonly generation: number; readonly end: number };
  /** Segments that say the log was closed; no longer true once anything is written. */
  readonly marked: readonly SegmentSlot[];
  readonly pages: number;
  readonly records: number;
  /** Records of a torn batch that were left out: nobody was told that they are stored. */
  readonly droppedRecords: number;
  readonly damage: readonly Damage[];
}

export interface RecoveryOptions {
  /** For an arena that is made now; one that exists keeps its own. A power of two. */
  readonly segmentBytes: number;
  readonly capacityBytes: number;
  /** For an arena that is made now: any two random words. */
  readonly arena: ArenaId;
  /** Change nothing: no repairs on the files, no removals. */
  readonly readOnly?: boolean;
}

/** Reads every segment. Never throws for damage: the caller decides. @throws TmemError E_ARENA_VERSION */
export function recoverLog(kernel: Kernel, files: SegmentFiles, options: RecoveryOptions): RecoveredLog {
  return new Recovery(kernel, files, options).run();
}

interface Found {
  readonly slot: SegmentSlot;
  readonly generation: number;
  readonly closed: Census | undefined;
}

class Recovery {
  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #options: RecoveryOptions;
  readonly #reader: SegmentReader;
  readonly #scratch: Address;
  readonly #pools = new Map<number, StoredPool>();
  /** Page records whose object has not been named yet: by a damaged name, so there is nearly never one. */
  readonly #nameless = new Set<number>();
  readonly #damage: Damage[] = [];
  readonly #moved = new MovedRanges();
  #index: StoreIndex | undefined;
  #arena: ArenaId;
  #sequence = 0;
  #nextObject = 1;
  #nextPool = 1;
  #records = 0;
  #dropped = 0;
  #open: RecoveredLog['open'];

  constructor(kernel: Kernel, files: SegmentFiles, options: RecoveryOptions) {
    this.#kernel = kernel;
    this.#files = files;
    this.#options = options;
    this.#arena = options.arena;
    this.#reader = new SegmentReader(kernel, files);
    this.#scratch = kernel.allocate(PAGE_BYTES);
  }

  run(): RecoveredLog {
    const found = this.#readHeaders();
    found.sort((a, b) => a.generation - b.generation);
    const marked = found.filter(({ closed }) => closed !== undefined);
    this.#expect(marked, found);
    for (const segment of found) this.#replay(segment, segment === found.at(-1) && marked.length === 0);
    const index = this.#index!;
    this.#moved.applyTo(index);
    let pages = 0;
    for (const object of index.objects.values()) {
      // An object that lost its last page has disappeared (R37).
      if (object.pages === 0) index.remove(object);
      pages += object.pages;
    }
    for (const number of this.#nameless) {
      const pool = index.objects.get(number)?.pool;
      if (pool?.number === NAMELESS_POOL) this.#report(0, 0, `the name of object ${number} cannot be read`);
    }
    return {
      index,
      nextObject: this.#nextObject,
      nextPool: this.#nextPool,
      sequence: this.#sequence + SEQUENCE_GAP,
      arena: this.#arena,
      ...(this.#open === undefined ? {} : { open: this.#open }),
      marked: marked.map(({ slot }) => slot),
      pages,
      records: this.#records,
      droppedRecords: this.#dropped,
      damage: this.#damage,
    };
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
      if (reading.what === 'header') this.#sequence = Math.max(this.#sequence, reading.header.spent);
    }
    const first = readings.find(({ reading }) => reading.what === 'header')?.reading;
    const segmentBytes = first?.what === 'header' ? first.header.segmentBytes : this.#options.segmentBytes;
    if (first?.what === 'header') this.#arena = { low: first.header.arenaLow, high: first.header.arenaHigh };
    this.#kernel.saltGenerations(this.#arena.low, this.#arena.high);
    // The size of segments is that of the capacity the arena was made with, which may have grown since.
    const filesMax = Math.min(SEGMENTS_MAX, Math.floor(this.#options.capacityBytes / segmentBytes));
    const slots = Math.max(filesMax, (files.at(-1)?.slot ?? 0) + 1);
    const segments = new SegmentTable(segmentBytes, filesMax, slots);
    this.#index = new StoreIndex(segments);

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
          found.push({ slot, generation: header.generation, closed: header.closed });
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
   * before the file has its full length.
   */
  #isZero(slot: SegmentSlot, isShort: boolean): boolean {
    const { bytes, view } = this.#kernel;
    for (let at = isShort ? 0 : SEGMENT_HEADER_BYTES; ; at += PAGE_BYTES) {
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
    const at = copy * HEADER_COPY_BYTES;
    this.#files.write(segmentSlot(header.slot), at, this.#kernel.bytes, this.#scratch + at, HEADER_COPY_BYTES);
  }

  /** A file that was being made, or given back, when the process died. */
  #discard(slot: SegmentSlot): void {
    if (this.#options.readOnly === true) return;
    const { segments } = this.#index!;
    segments.addLeaving(slot);
    this.#files.remove(slot, () => segments.gone(slot));
  }

  #replay({ slot, generation }: Found, mayBeTorn: boolean): void {
    const reader = this.#reader;
    this.#sequence = Math.max(this.#sequence, generation);
    reader.open(slot, generation);
    // Decided at the end; until then the segment counts as sealed, so that its sums can be kept.
    this.#index!.segments.addSealed(slot, generation);
    for (;;) {
      while (reader.next()) {
        if (mayBeTorn && this.#mayBeTornHere() && !reader.goesOn()) return this.#tear(slot, generation);
        this.#take(slot, generation);
      }
      if (reader.end === 'sealed') return;
      const { offset } = reader;
      // A write is torn once: a good record further on says that this is damage.
      if (mayBeTorn && !reader.isUnreadable && !reader.goesOn()) return this.#leaveOpen(slot, generation, offset);
      if (reader.repair()) {
        this.#writeRepaired(slot, offset);
        if (reader.kind === RecordKind.seal) return;
        this.#take(slot, generation);
      } else {
        this.#report(slot, offset, reader.isUnreadable ? 'its bytes cannot be read' : 'a record cannot be read');
        if (!reader.resynchronise()) return;
        this.#take(slot, generation);
      }
    }
  }

  /** The record that was found last is where the death tore the last write. */
  #tear(slot: SegmentSlot, generation: number): void {
    this.#dropped++;
    this.#sequence = Math.max(this.#sequence, sequenceAt(this.#kernel.view, this.#reader.record));
    this.#leaveOpen(slot, generation, this.#reader.offset);
  }

  #leaveOpen(slot: SegmentSlot, generation: number, end: number): void {
    this.#open = { slot, generation, end };
    this.#index!.segments.reopen(slot);
  }

  /** A payload whose bytes cannot be read may be whole: its page is damaged, not what it was before. */
  #mayBeTornHere(): boolean {
    return !this.#reader.isUnreadable && !this.#payloadHolds();
  }

  #payloadHolds(): boolean {
    return this.#kernel.payloadValid(this.#reader.record, this.#reader.payloadBytes, this.#scratch);
  }

  #take(slot: SegmentSlot, generation: number): void {
    const { record, kind, offset } = this.#reader;
    const { view } = this.#kernel;
    const number = view.getUint32(record + RecordField.object, true);
    const index = view.getUint32(record + RecordField.index, true);
    this.#records++;
    this.#sequence = Math.max(this.#sequence, sequenceAt(view, record));
    // Bringing ephemeral pages back would bring back what was taken or flushed since: neither leaves a record.
    if (number >= EPHEMERAL_NUMBERS && isPageKind(kind)) return;
    if (isPageKind(kind)) this.#store(number, index, slot, offset);
    else if (kind === RecordKind.name) this.#name(generation, number, index);
    else if (isTombstone(kind)) this.#flush(kind, slot, number, index);
  }

  #store(number: number, index: number, slot: SegmentSlot, offset: number): void {
    const { segments, objects } = this.#index!;
    const object = objects.get(number) ?? this.#nameLater(number);
    const { kind, payloadBytes } = this.#reader;
    const word = kind === RecordKind.pageLost ? ENTRY_LOST : payloadBytes;
    this.#index!.store(object, index, segments.locationOf(slot, offset), word);
  }

  #name(generation: number, number: number, poolNo: number): void {
    this.#nextObject = Math.max(this.#nextObject, number + 1);
    this.#nextPool = Math.max(this.#nextPool, poolNo + 1);
    if (!this.#payloadHolds()) return;
    const known = this.#index!.objects.get(number);
    if (known !== undefined && known.pool.number !== NAMELESS_POOL) {
      known.namedIn = generation;
      return;
    }
    const { record, payloadBytes } = this.#reader;
    const payload = record + RECORD_HEADER_BYTES;
    const poolBytes = this.#kernel.view.getUint16(payload, true);
    const split = payload + 2 + poolBytes;
    const { bytes } = this.#kernel;
    let pool = this.#pools.get(poolNo);
    if (pool === undefined) {
      pool = new StoredPool(poolNumber(poolNo), bytes.slice(payload + 2, split));
      this.#pools.set(poolNo, pool);
    }
    const name = bytes.slice(split, payload + payloadBytes);
    known?.identify(pool, name);
    const object = known ?? this.#index!.add(objectNumber(number), pool, name);
    object.namedIn = generation;
  }

  #flush(kind: number, slot: SegmentSlot, number: number, index: number): void {
    this.#index!.segments.addTombstone(slot, movedTombstoneBytes(kind));
    if (kind === RecordKind.flushRangeAsOf && !this.#payloadHolds()) {
      return this.#report(slot, this.#reader.offset, 'a moved tombstone cannot be read');
    }
    if (kind === RecordKind.flushPool) {
      this.#nextPool = Math.max(this.#nextPool, number + 1);
      for (const object of this.#pools.get(number)?.objects ?? []) this.#index!.dropRange(object, 0, INDEX_END);
      return;
    }
    this.#nextObject = Math.max(this.#nextObject, number + 1);
    const object = this.#index!.objects.get(number);
    if (object === undefined) return;
    if (kind === RecordKind.flushPage) this.#index!.drop(object, index);
    else if (kind === RecordKind.flushObject) this.#index!.dropRange(object, 0, INDEX_END);
    else if (kind === RecordKind.flushRangeAsOf) {
      const { count, asOf } = asOfAt(this.#kernel.view, this.#reader.record);
      this.#moved.add(number, index, count, asOf);
    } else {
      const count = this.#kernel.view.getUint32(this.#reader.record + RecordField.hash, true);
      this.#index!.dropRange(object, index, index + count);
    }
  }

  /** An object whose pages come before its name does: the name record in this segment is damaged. */
  #nameLater(number: number): StoredObject {
    this.#nextObject = Math.max(this.#nextObject, number + 1);
    this.#nameless.add(number);
    const pool = new StoredPool(poolNumber(NAMELESS_POOL), new Uint8Array());
    return this.#index!.add(objectNumber(number), pool, new Uint8Array());
  }

  #writeRepaired(slot: SegmentSlot, offset: number): void {
    if (this.#options.readOnly === true) return;
    this.#files.write(slot, offset, this.#kernel.bytes, this.#reader.record, RECORD_HEADER_BYTES);
  }

  #report(slot: number, offset: number, what: string): void {
    this.#damage.push({ slot: segmentSlot(slot), offset, what });
  }
}

/** Pools are numbered from 1. */
const NAMELESS_POOL = 0;

function otherVersion(slot: SegmentSlot, version: number): TmemError {
  return new TmemError(
    'E_ARENA_VERSION',
    `segment ${slot} has format version ${version}, this tmem reads version ${FORMAT_VERSION}: start the tmem that wrote the arena, or move the arena away`,
  );
}
