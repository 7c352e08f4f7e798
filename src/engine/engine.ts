/**
 * The page store of one shard: a log of records in segment files, and an index of where each page's newest record is.
 *
 *      put ──▶ kernel: same-filled? hash, LZ4 ──▶ staged record ─┐
 *      flush ─────────────────────────────────▶ staged tombstone ┼─ commit: one write ──▶ index changes ──▶ replies
 *      get ──▶ index ──▶ one read ──▶ kernel: check, decode, hash
 *
 * Verbs stage; {@link Engine.commit} makes what was staged durable and visible, all or nothing. Until then only this
 * batch itself sees it. Nothing here waits, reads a clock or draws a random number.
 *
 * A page is persistent: stored and committed, it is read back identical until it is flushed or replaced, or its
 * record is damaged, which every get detects and reports.
 */
import { assert } from '../base/assert.js';
import { TmemError } from '../base/errors.js';
import {
  address,
  type Address,
  objectNumber,
  type PageIndex,
  pageIndex,
  poolNumber,
  type SegmentSlot,
} from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { MIB } from '../base/units.js';
import { Batch, Op } from './batch.js';
import { Cleaner } from './cleaner.js';
import type { Kernel } from './kernel.js';
import { DecodeResult } from './kernel-exports.js';
import { LogWriter, RESERVE_SEGMENTS, STAGE_BYTES } from './log-writer.js';
import { ENTRY_LOST, ENTRY_PENDING, isSameFilled, payloadBytesOf, storedBytesOf } from './page-entry.js';
import type { PageSlab } from './page-slab.js';
import { NO_CELL } from './page-table.js';
import { RECORD_BYTES_MAX, RECORD_HEADER_BYTES, recordBytes, RecordKind } from './record.js';
import type { RecoveredLog } from './recovery.js';
import { type SegmentTable } from './segment-table.js';
import { Space } from './space.js';
import { NAME_BYTES_MAX, StoredObject, StoredPool } from './stored-object.js';

/** `damaged`: the page was stored, and what is there now is not it. It is counted, and never handed out. */
export const GetOutcome = { hit: 0, miss: 1, damaged: 2 } as const;
export type GetOutcome = (typeof GetOutcome)[keyof typeof GetOutcome];

export class Engine {
  readonly segments: SegmentTable;
  readonly pools: Set<StoredPool> = new Set();
  /** Gets that found a record and could not vouch for it. */
  verifyFailures = 0;

  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #slab: PageSlab;
  readonly #objectsByNumber: Map<number, StoredObject>;
  readonly #batch = new Batch();
  readonly #log: LogWriter;
  readonly #space: Space;
  readonly #cleaner: Cleaner;
  readonly #record: Address;
  /** What the batch would add to the live bytes. */
  #pendingBytes = 0;
  /** A batch that had to be committed early failed: the commit that its caller waits for fails too. */
  #earlyFailure = false;
  #nextObject: number;
  #nextPool: number;

  /** Use {@link openEngine}. */
  constructor(kernel: Kernel, files: SegmentFiles, recovered: RecoveredLog, limits: { batchBytesMax: number }) {
    this.#kernel = kernel;
    this.#files = files;
    this.segments = recovered.segments;
    this.#slab = recovered.slab;
    this.#objectsByNumber = recovered.objects;
    for (const object of recovered.objects.values()) this.pools.add(object.pool);
    this.#nextObject = recovered.nextObject;
    this.#nextPool = recovered.nextPool;
    this.#record = kernel.allocate(RECORD_BYTES_MAX);
    this.#log = new LogWriter({
      kernel,
      files,
      segments: this.segments,
      arena: recovered.arena,
      stagingBytes: limits.batchBytesMax + 2 * STAGE_BYTES,
      sequence: recovered.sequence,
      makeFree: (use) => this.#space.makeFree(use),
    });
    this.#space = new Space(files, this.segments, this.#log, limits.batchBytesMax);
    this.#cleaner = new Cleaner(kernel, files, this.segments, this.#log, this);
    for (const slot of recovered.marked) this.#log.wipeMark(slot);
    if (recovered.open !== undefined)
      this.#log.resume(recovered.open.slot, recovered.open.generation, recovered.open.end);
    this.segments.buryOldTombstones();
    if (!this.#space.fillReserve(this.#cleaner)) {
      const needed = (RESERVE_SEGMENTS * this.segments.segmentBytes) / MIB;
      throw new TmemError(
        'E_ARENA_FULL',
        `the arena cannot grow by the ${needed} MiB it keeps in reserve: free memory on its file system, or raise the capacity`,
      );
    }
  }

  createPool(name: Uint8Array): StoredPool {
    assert(name.length <= NAME_BYTES_MAX, 'pool names are short');
    const pool = new StoredPool(poolNumber(this.#nextPool++), name);
    this.pools.add(pool);
    return pool;
  }

  /** Costs nothing in the arena before its first page. */
  createObject(pool: StoredPool, name: Uint8Array): StoredObject {
    assert(pool.name.length + name.length + 2 <= NAME_BYTES_MAX, 'names are short');
    const object = new StoredObject(objectNumber(this.#nextObject++), pool, name, this.#slab);
    this.#objectsByNumber.set(object.number, object);
    pool.objects.add(object);
    return object;
  }

  /** Forgets an object without pages. Its number is not used again. */
  forgetObject(object: StoredObject): void {
    assert(object.pages === 0, 'only an empty object disappears');
    this.#objectsByNumber.delete(object.number);
    object.pool.objects.delete(object);
  }

  /**
   * Stages the page at `from`, in place of the one stored. False: no room, nothing is staged, what is stored stays.
   * `room` is what the pool may still grow by, in stored bytes.
   */
  put(object: StoredObject, index: PageIndex, from: Address, room: number = Infinity): boolean {
    this.#beginOperation();
    let to = this.#log.stage('put');
    if (to === undefined) return false;
    if (object.namedIn !== this.#log.generation) to = this.#stageName(object, to);
    const cell = object.table.reach(index);
    const payloadBytes = this.#kernel.encodePage(
      from,
      to,
      object.number,
      index,
      this.#log.nextSequence(),
      this.#log.generation,
    );
    const bytes = recordBytes(payloadBytes);
    const growth = bytes - this.#storedBytesOf(object, index, cell);
    if (growth > room - object.pool.pendingBytes || !this.#space.takes(growth + this.#pendingBytes)) {
      // A leaf made for nothing goes, unless the batch may have marked another of its pages.
      if (this.#batch.length === 0) object.table.prune(index);
      return false;
    }
    this.#stageStore(object, index, cell, payloadBytes, bytes, growth);
    return true;
  }

  /** The page to `to`, which needs 64 bytes of slack behind it; untouched on a miss. One read of the arena. */
  get(object: StoredObject, index: PageIndex, to: Address): GetOutcome {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return GetOutcome.miss;
    let location = this.#slab.location(cell);
    let word = this.#slab.word(cell);
    if ((word & ENTRY_PENDING) !== 0 || this.#batch.hasWide) {
      const newest = this.#batch.newestOf(object, index);
      if (newest !== -1) {
        if (this.#batch.op[newest] !== Op.store) return GetOutcome.miss;
        location = this.#batch.location[newest]!;
        word = this.#batch.word[newest]!;
        const staged = this.#log.stagedAt(location);
        return this.#decode(object, index, staged.record, staged.generation, word, to);
      }
    }
    if (location === 0) return GetOutcome.miss;
    const slot = this.segments.slotOf(location);
    const bytes = RECORD_HEADER_BYTES + payloadBytesOf(word);
    const read = this.#files.read(slot, this.segments.offsetOf(location), this.#kernel.bytes, this.#record, bytes);
    // A file cut short from outside: what is missing must not be what the last get left here.
    if (read < bytes) this.#kernel.bytes.fill(0, this.#record + read, this.#record + bytes);
    return this.#decode(object, index, this.#record, this.segments.generationOf(slot), word, to);
  }

  has(object: StoredObject, index: PageIndex): boolean {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return false;
    if ((this.#slab.word(cell) & ENTRY_PENDING) !== 0 || this.#batch.hasWide) {
      const newest = this.#batch.newestOf(object, index);
      if (newest !== -1) return this.#batch.op[newest] === Op.store;
    }
    return this.#slab.location(cell) !== 0;
  }

  /** First page in `[first, end)` whose being stored differs from that of `first`. Call it between batches. */
  endOfRun(object: StoredObject, first: number, end: number): number {
    const cell = object.table.find(first);
    return cell !== NO_CELL && this.#slab.location(cell) !== 0
      ? object.table.nextAbsent(first, end)
      : object.table.nextPresent(first, end);
  }

  /** @returns whether there was a page. Never refused. */
  flushPage(object: StoredObject, index: PageIndex): boolean {
    this.#beginOperation();
    if (!this.has(object, index)) return false;
    const cell = object.table.find(index);
    this.#pend(object.pool, -this.#storedBytesOf(object, index, cell));
    const location = this.#stageTombstone(RecordKind.flushPage, object.number, index, 0);
    this.#slab.setWord(cell, this.#slab.word(cell) | ENTRY_PENDING);
    this.#batch.add(Op.flushPage, object, object.pool, index, 0, 0, location);
    return true;
  }

  /** Flushes pages `[first, first + count)`; writes nothing where none is stored. Never refused. O(pages stored there). */
  flushRange(object: StoredObject, first: PageIndex, count: number): void {
    this.#beginOperation();
    const end = first + count;
    if (this.#batch.length === 0 && object.table.nextPresent(first, end) === end) return;
    const location = this.#stageTombstone(RecordKind.flushRange, object.number, first, count);
    this.#batch.add(Op.flushRange, object, object.pool, first, count, 0, location);
  }

  /** Flushes every page of the object, whose number is not used again: a new put needs a new object. */
  flushObject(object: StoredObject): void {
    this.#beginOperation();
    const location = this.#stageTombstone(RecordKind.flushObject, object.number, 0, 0);
    this.#batch.add(Op.flushObject, object, object.pool, 0, 0, 0, location);
  }

  /** Flushes every page of the pool, whose number is not used again. */
  flushPool(pool: StoredPool): void {
    this.#beginOperation();
    const location = this.#stageTombstone(RecordKind.flushPool, pool.number, 0, 0);
    this.#batch.add(Op.flushPool, undefined, pool, 0, 0, 0, location);
  }

  /**
   * Writes the batch, then makes it visible. False: nothing of it happened, and it is gone (must hold 5). After an
   * early commit of a batch that outgrew its limits, part of it may have happened.
   *
   * @throws when the arena takes no writes at all; the only way on is to end and start again.
   */
  commit(): boolean {
    const written = this.#commitBatch();
    const whole = written && !this.#earlyFailure;
    this.#earlyFailure = false;
    return whole;
  }

  /**
   * Upkeep in idle moments: cleans until at most `slack` of the live bytes is wasted, gives surplus files back.
   * @param cleans - false: only give back, because puts pay for cleaning
   * @returns whether there is more to do. One call moves at most 128 KiB.
   */
  maintain(slack: number, cleans: boolean): boolean {
    if (this.#batch.length > 0) return true;
    if (this.#space.giveBack(slack)) return true;
    return cleans && this.#space.isWasteful(slack) && this.#cleaner.step();
  }

  /** Seals and marks the log as closed, so that the next start knows whether all of it is there. */
  close(): void {
    assert(this.#batch.length === 0, 'the last batch is committed');
    this.#log.close();
    this.#files.close();
  }

  /** Bytes of records that a get or a recovery still needs. */
  get liveBytes(): number {
    return this.segments.liveBytes + this.segments.tombstoneBytes;
  }

  /** Bytes ever written to the log: whether they still grow tells load from quiet. */
  get writtenBytes(): number {
    return this.#log.writtenBytes;
  }

  get occupiedBytes(): number {
    return this.segments.files * this.segments.segmentBytes;
  }

  /** The index, and what stands for segments, pools and objects, in memory. */
  get metadataBytes(): number {
    return this.#slab.bytes + this.segments.slots * 17;
  }

  // What the cleaner needs; nobody else calls these.

  /** Whether the record at `location` is the newest of its page. */
  isNewest(object: number, index: number, location: number): StoredObject | undefined {
    const stored = this.#objectsByNumber.get(object);
    const cell = stored?.table.find(index) ?? NO_CELL;
    return cell !== NO_CELL && this.#slab.location(cell) === location ? stored : undefined;
  }

  objectOf(number: number): StoredObject | undefined {
    return this.#objectsByNumber.get(number);
  }

  /** Stages a copy of a live record that stands at `from` in memory. False: no room. */
  relocate(object: StoredObject, index: PageIndex, from: Address): boolean {
    let to = this.#stageForUpkeep();
    if (to === undefined) return false;
    if (object.namedIn !== this.#log.generation) to = this.#stageName(object, to);
    const cell = object.table.find(index);
    const word = this.#slab.word(cell);
    const bytes = storedBytesOf(word);
    this.#kernel.relocate(from, to, bytes, this.#log.nextSequence(), this.#log.generation);
    this.#stageStore(object, index, cell, payloadBytesOf(word), bytes, 0, word & ENTRY_LOST);
    return true;
  }

  /** Stages "this page is lost" in place of a record that cannot be read any more. False: no room. */
  markLost(object: StoredObject, index: PageIndex): boolean {
    let to = this.#stageForUpkeep();
    if (to === undefined) return false;
    if (object.namedIn !== this.#log.generation) to = this.#stageName(object, to);
    const cell = object.table.find(index);
    this.#writeHeader(to, RecordKind.pageLost, object.number, index, 0);
    const growth = RECORD_HEADER_BYTES - storedBytesOf(this.#slab.word(cell));
    this.#stageStore(object, index, cell, 0, RECORD_HEADER_BYTES, growth, ENTRY_LOST);
    return true;
  }

  /** Stages a tombstone again. False: no room. */
  relocateTombstone(kind: number, object: number, index: number, count: number): boolean {
    const to = this.#stageForUpkeep();
    if (to === undefined) return false;
    this.#writeHeader(to, kind, object, index, count);
    this.segments.addTombstone(this.segments.slotOf(this.#log.advance(RECORD_HEADER_BYTES)), RECORD_HEADER_BYTES);
    return true;
  }

  /** Writes the object's name once more, behind all that was committed. False: no room. */
  commitName(object: StoredObject): boolean {
    const to = this.#stageForUpkeep();
    if (to === undefined) return false;
    this.#stageName(object, to);
    return this.#commitBatch();
  }

  commitUpkeep(): boolean {
    return this.#commitBatch();
  }

  /** Every page whose record is in this segment. O(pages of the shard): for damage only. */
  pagesIn(slot: SegmentSlot): { object: StoredObject; index: PageIndex }[] {
    const found = [];
    for (const object of this.#objectsByNumber.values()) {
      for (let index = object.table.nextPresent(0, 2 ** 32); index < 2 ** 32;) {
        if (this.segments.slotOf(this.#slab.location(object.table.find(index))) === slot) {
          found.push({ object, index: pageIndex(index) });
        }
        index = object.table.nextPresent(index + 1, 2 ** 32);
      }
    }
    return found;
  }

  #stageForUpkeep(): Address | undefined {
    if ((this.#batch.isFull || !this.#log.hasStaging) && !this.#commitBatch()) return undefined;
    return this.#log.stage('upkeep');
  }

  /** Before the first operation of a batch, make the room that a batch may need, while cleaning is still possible. */
  #beginOperation(): void {
    if (this.#batch.length > 0) {
      if (!this.#batch.isFull && this.#log.hasStaging) return;
      if (!this.#commitBatch()) this.#earlyFailure = true;
    }
    this.#space.beforeBatch(this.#cleaner);
  }

  #stageStore(
    object: StoredObject,
    index: number,
    cell: number,
    payloadBytes: number,
    bytes: number,
    growth: number,
    flags = 0,
  ): void {
    const location = this.#log.advance(bytes);
    this.#slab.setWord(cell, this.#slab.word(cell) | ENTRY_PENDING);
    this.#batch.add(Op.store, object, object.pool, index, 0, payloadBytes | flags, location);
    this.#pend(object.pool, growth);
  }

  /** Names the object in the segment that is open, so that each segment can be read alone. @returns the next address. */
  #stageName(object: StoredObject, to: Address): Address {
    const { view, bytes } = this.#kernel;
    const poolName = object.pool.name;
    const payloadBytes = 2 + poolName.length + object.name.length;
    const payload = to + RECORD_HEADER_BYTES;
    view.setUint16(payload, poolName.length, true);
    bytes.set(poolName, payload + 2);
    bytes.set(object.name, payload + 2 + poolName.length);
    const size = recordBytes(payloadBytes);
    bytes.fill(0, payload + payloadBytes, to + size);
    const header = {
      kind: RecordKind.name,
      payloadBytes,
      object: object.number,
      index: object.pool.number,
      sequence: this.#log.nextSequence(),
      hashLow: this.#kernel.xxh3(address(payload), payloadBytes, 0),
      hashHigh: this.#kernel.xxh3High(),
    };
    this.#kernel.sealHeader(to, header, this.#log.generation);
    this.#log.advance(size);
    object.namedIn = this.#log.generation;
    return address(to + size);
  }

  #stageTombstone(kind: RecordKind, object: number, index: number, count: number): number {
    const to = this.#log.stage('upkeep');
    assert(to !== undefined, 'the reserve has room for a tombstone');
    this.#writeHeader(to, kind, object, index, count);
    return this.#log.advance(RECORD_HEADER_BYTES);
  }

  /** A record without payload. */
  #writeHeader(to: Address, kind: number, object: number, index: number, hashLow: number): void {
    const sequence = this.#log.nextSequence();
    const header = { kind, payloadBytes: 0, object, index, sequence, hashLow, hashHigh: 0 };
    this.#kernel.sealHeader(to, header, this.#log.generation);
  }

  #pend(pool: StoredPool, growth: number): void {
    pool.pendingBytes += growth;
    this.#pendingBytes += growth;
  }

  /** What the page takes now, the staged batch included. */
  #storedBytesOf(object: StoredObject, index: number, cell: number): number {
    const word = this.#slab.word(cell);
    if ((word & ENTRY_PENDING) !== 0 || this.#batch.hasWide) {
      const newest = this.#batch.newestOf(object, index);
      if (newest !== -1) return this.#batch.op[newest] === Op.store ? storedBytesOf(this.#batch.word[newest]!) : 0;
    }
    return this.#slab.location(cell) === 0 ? 0 : storedBytesOf(word);
  }

  #decode(
    object: StoredObject,
    index: PageIndex,
    record: Address,
    generation: number,
    word: number,
    to: Address,
  ): GetOutcome {
    const outcome = this.#kernel.decodePage(record, payloadBytesOf(word), to, object.number, index, generation);
    if (outcome === DecodeResult.done) return GetOutcome.hit;
    this.verifyFailures++;
    return GetOutcome.damaged;
  }

  #commitBatch(): boolean {
    const batch = this.#batch;
    if (batch.length === 0 && this.#log.stagedBytes === 0) return true;
    const written = this.#log.commit();
    for (let at = 0; at < batch.length; at++) {
      batch.pools[at]!.pendingBytes = 0;
      if (written) this.#apply(at);
      else this.#unpend(at);
    }
    this.#pendingBytes = 0;
    batch.clear();
    return written;
  }

  #apply(at: number): void {
    const batch = this.#batch;
    const object = batch.objects[at];
    const index = batch.index[at]!;
    const location = batch.location[at]!;
    const op = batch.op[at]!;
    if (op === Op.store) {
      assert(object !== undefined, 'a store has an object');
      this.#store(object, index, location, batch.word[at]!);
      return;
    }
    this.segments.addTombstone(this.segments.slotOf(location), RECORD_HEADER_BYTES);
    if (op === Op.flushPage) this.#drop(object!, index);
    else if (op === Op.flushRange) this.#dropRange(object!, index, index + batch.value[at]!);
    else if (op === Op.flushObject) this.#dropRange(object!, 0, 2 ** 32);
    else for (const each of batch.pools[at]!.objects) this.#dropRange(each, 0, 2 ** 32);
    if (op === Op.flushPool) this.pools.delete(batch.pools[at]!);
  }

  #store(object: StoredObject, index: number, location: number, word: number): void {
    const { pool } = object;
    const cell = object.table.reach(index);
    const old = this.#slab.location(cell);
    if (old === 0) {
      object.table.occupy(cell, location, word);
      object.pages++;
      pool.pages++;
    } else {
      this.#uncount(pool, old, this.#slab.word(cell));
      this.#slab.set(cell, location, word);
    }
    const bytes = storedBytesOf(word);
    this.segments.addLive(this.segments.slotOf(location), bytes);
    pool.storedBytes += bytes;
    if (isSameFilled(word)) pool.sameFilledPages++;
  }

  #drop(object: StoredObject, index: number): void {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return;
    const location = this.#slab.location(cell);
    if (location === 0) {
      // Stored and flushed by the same batch, and both failed or both done.
      this.#slab.set(cell, 0, 0);
      object.table.prune(index);
      return;
    }
    this.#uncount(object.pool, location, this.#slab.word(cell));
    object.table.vacate(index, cell);
    object.pages--;
    object.pool.pages--;
  }

  #dropRange(object: StoredObject, first: number, end: number): void {
    for (let index = object.table.nextPresent(first, end); index < end;) {
      this.#drop(object, index);
      index = object.table.nextPresent(index + 1, end);
    }
  }

  #uncount(pool: StoredPool, location: number, word: number): void {
    const bytes = storedBytesOf(word);
    this.segments.addLive(this.segments.slotOf(location), -bytes);
    pool.storedBytes -= bytes;
    if (isSameFilled(word)) pool.sameFilledPages--;
  }

  /** The batch failed: the page is what it was. */
  #unpend(at: number): void {
    const object = this.#batch.objects[at];
    const op = this.#batch.op[at];
    if (object === undefined) return;
    // Its name may have gone with the batch.
    object.namedIn = 0;
    if (op !== Op.store && op !== Op.flushPage) return;
    const index = this.#batch.index[at]!;
    const cell = object.table.find(index);
    if (cell === NO_CELL) return;
    const word = this.#slab.word(cell) & ~ENTRY_PENDING;
    this.#slab.setWord(cell, this.#slab.location(cell) === 0 ? 0 : word);
    object.table.prune(index);
  }
}
