/**
 * From segment files to an index, after any death.
 *
 * Segments are replayed in the order of their generations, records in the order they stand, so the newest record of
 * a page, or the tombstone behind it, has the last word. Only the newest segment may lack its seal, and only where the
 * log was not closed: there it was being written, payloads are verified, and the first record that fails is where the
 * death tore it. Anywhere else a record that cannot be read is damage. What is damaged and known by its handle stays
 * as a page that answers "damaged"; where even the handle is unknown, an older copy of some page might now pass for
 * its newest, so the arena is refused rather than served.
 *
 * On a disk the log may have lost any part of what was not synced: there it ends at the first hole. See unsynced-end.ts.
 */
import { type Address, objectNumber, poolNumber, segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentBudget } from '../base/segment-budget.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { PAGE_BYTES } from '../base/units.js';
import { type Found, HeaderScan } from './header-scan.js';
import type { Kernel } from './kernel.js';
import type { ArenaId } from './log-writer.js';
import { MovedRanges } from './moved-ranges.js';
import { CONTENTS_MAX, ENTRY_LOST, wordOfContent, wordOfSlot } from './page-entry.js';
import {
  asOfAt,
  isPageKind,
  isTombstone,
  markAt,
  RECORD_HEADER_BYTES,
  RecordField,
  RecordKind,
  sequenceAt,
  shareAt,
  movedTombstoneBytes,
} from './record.js';
import { settleContents } from './recovered-contents.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';
import { SegmentReader } from './segment-reader.js';
import { INDEX_END, StoreIndex } from './store-index.js';
import { EPHEMERAL_NUMBERS, type StoredObject, StoredPool } from './stored-object.js';
import { type Unsynced, UnsyncedEnd } from './unsynced-end.js';

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
  /** The last record of the log, as a sequence number; 0 for an empty one. */
  readonly lastSequence: number;
  /** The newest record that headers say was synced, and on a disk what of the log is not known to be. */
  readonly synced: number;
  readonly unsynced: readonly Unsynced[];
  /**
   * Records that were left out: of a torn batch, so that nobody was told that they are stored; on a disk also those
   * behind the first hole, so that nobody was told that they outlive a power loss.
   */
  readonly droppedRecords: number;
  readonly damage: readonly Damage[];
}

export interface RecoveryOptions {
  /** For an arena that is made now; one that exists keeps its own. A power of two. */
  readonly segmentBytes: number;
  readonly capacityBytes: number;
  /** Where the capacity is shared with other shards. The files that are there are taken from it already. */
  readonly budget?: SegmentBudget | undefined;
  /** For an arena that is made now: any two random words. */
  readonly arena: ArenaId;
  /** Change nothing: no repairs on the files, no removals. */
  readonly readOnly?: boolean;
}

/** Reads every segment. Never throws for damage: the caller decides. @throws TmemError E_ARENA_VERSION */
export function recoverLog(kernel: Kernel, files: SegmentFiles, options: RecoveryOptions): RecoveredLog {
  return new Recovery(kernel, files, options).run();
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
  readonly #scan: HeaderScan;
  #index: StoreIndex | undefined;
  #end: UnsyncedEnd;
  #found: readonly Found[] = [];
  #sequence = 0;
  #nextObject = 1;
  #nextPool = 1;
  #records = 0;
  #dropped = 0;
  #isCut = false;
  #open: RecoveredLog['open'];

  constructor(kernel: Kernel, files: SegmentFiles, options: RecoveryOptions) {
    this.#kernel = kernel;
    this.#files = files;
    this.#options = options;
    this.#reader = new SegmentReader(kernel, files);
    this.#scratch = kernel.allocate(PAGE_BYTES);
    const report = this.#report.bind(this);
    this.#scan = new HeaderScan(kernel, files, options, this.#scratch, report);
    this.#end = new UnsyncedEnd(kernel, files, 0, this.#scratch);
  }

  run(): RecoveredLog {
    const found = (this.#found = this.#scan.run());
    const { synced, segments, arena } = this.#scan;
    this.#sequence = this.#scan.sequence;
    const index = (this.#index = new StoreIndex(segments));
    const marked = found.filter(({ closed }) => closed !== undefined);
    const hasEnd = this.#files.syncing !== undefined && synced > 0 && marked.length === 0;
    if (hasEnd) this.#end = new UnsyncedEnd(this.#kernel, this.#files, synced, this.#scratch);
    for (const [n, { generation }] of found.entries()) {
      this.#sequence = Math.max(this.#sequence, generation);
      if (!this.#isCut) this.#replay(n, n === found.length - 1 && marked.length === 0 && !hasEnd);
    }
    this.#moved.applyTo(index);
    settleContents(index, (location) => {
      this.#report(segments.slotOf(location), segments.offsetOf(location), 'what this page shares is not there');
    });
    let pages = 0;
    for (const object of index.objects.values()) {
      // An object that lost its last page has disappeared (R37).
      if (object.pages === 0) index.remove(object);
      if (!object.pool.isContents) pages += object.pages;
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
      arena,
      ...(this.#open === undefined ? {} : { open: this.#open }),
      marked: marked.map(({ slot }) => slot),
      pages,
      records: this.#records,
      lastSequence: this.#end.last,
      synced,
      unsynced: this.#end.unsynced,
      droppedRecords: this.#dropped,
      damage: this.#damage,
    };
  }

  /** The segment that is `n`th of the log. */
  #replay(n: number, mayBeTorn: boolean): void {
    const reader = this.#reader;
    const { slot, generation } = this.#found[n]!;
    reader.open(slot, generation);
    this.#end.begin(this.#found[n]!);
    // Decided at the end; until then the segment counts as sealed, so that its sums can be kept.
    this.#index!.segments.addSealed(slot, generation);
    for (;;) {
      while (reader.next()) {
        if (this.#end.isHole(reader) && this.#endsHere(n)) return;
        if (mayBeTorn && this.#mayBeTornHere() && !reader.goesOn()) return this.#tear(slot, generation);
        this.#take(slot, generation);
      }
      if (reader.end === 'sealed') return this.#sealed(n);
      const { offset } = reader;
      if (this.#end.isLoose && this.#endsHere(n)) return;
      // A write is torn once: a good record further on says that this is damage.
      if (mayBeTorn && !reader.isUnreadable && !reader.goesOn()) return this.#leaveOpen(slot, generation, offset);
      if (reader.repair()) {
        this.#writeRepaired(slot, offset);
        if (reader.kind === RecordKind.seal) return this.#sealed(n);
        this.#take(slot, generation);
      } else {
        this.#report(slot, offset, reader.isUnreadable ? 'its bytes cannot be read' : 'a record cannot be read');
        if (!reader.resynchronise()) return;
        this.#take(slot, generation);
      }
    }
  }

  #sealed(n: number): void {
    if (this.#end.isHole(this.#reader) && this.#endsHere(n)) return;
    this.#end.take(this.#reader);
    this.#end.leave(this.#found[n]!.slot, this.#reader.offset + this.#reader.bytes);
  }

  /**
   * The reader is at a hole, and no sync is known to vouch for what should be there. If none is found to, the log ends
   * here: what stands behind it must not be taken for a part of what is written next.
   */
  #endsHere(n: number): boolean {
    const { slot, generation } = this.#found[n]!;
    const { offset, end } = this.#reader;
    const left = this.#end.lookBehind(this.#found.slice(n), offset);
    if (!this.#end.isLoose) return false;
    this.#isCut = true;
    this.#dropped += left.records + (end === undefined ? 1 : 0);
    this.#end.leave(slot, offset);
    for (const each of this.#found.slice(n + 1)) this.#scan.leaveOut(each);
    if (offset === SEGMENT_HEADER_BYTES) {
      this.#index!.segments.release(slot);
      this.#scan.writeFree(slot);
    } else {
      if (left.recordsHere > 0) this.#wipe(slot, offset);
      this.#leaveOpen(slot, generation, offset);
    }
    return true;
  }

  /** Zeros from here on. */
  #wipe(slot: SegmentSlot, from: number): void {
    if (this.#options.readOnly === true) return;
    const { bytes } = this.#kernel;
    bytes.fill(0, this.#scratch, this.#scratch + PAGE_BYTES);
    const { segmentBytes } = this.#scan.segments;
    for (let at = from; at < segmentBytes; at += PAGE_BYTES) {
      this.#files.write(slot, at, bytes, this.#scratch, Math.min(PAGE_BYTES, segmentBytes - at));
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
    this.#end.take(this.#reader);
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
    let word = payloadBytes;
    if (kind === RecordKind.pageLost) word = ENTRY_LOST;
    // A mark that cannot be read says that the page was stored, and not where it is.
    else if (kind === RecordKind.pageSpilled) word = this.#payloadHolds() ? this.#spilledWord() : word | ENTRY_LOST;
    else if (kind === RecordKind.pageShared) word = this.#payloadHolds() ? this.#sharedWord() : word | ENTRY_LOST;
    this.#index!.store(object, index, segments.locationOf(slot, offset), word);
  }

  #spilledWord(): number {
    return wordOfSlot(markAt(this.#kernel.view, this.#reader.record).slot);
  }

  #sharedWord(): number {
    const { content, object, hash } = shareAt(this.#kernel.view, this.#reader.record);
    if (content >= CONTENTS_MAX) return this.#reader.payloadBytes | ENTRY_LOST;
    this.#index!.contents.recoverMark(content, object, hash.low);
    return wordOfContent(content);
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
