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
import { CommitOutcome } from '../base/commit-outcome.js';
import { type Address, objectNumber, type PageIndex, poolNumber } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { Batch, NOT_STAGED, Op } from './batch.js';
import { Cleaner, type Mover } from './cleaner.js';
import type { Kernel } from './kernel.js';
import { DecodeResult } from './kernel-exports.js';
import { LogWriter, STAGE_BYTES } from './log-writer.js';
import { ENTRY_LOST, ENTRY_PENDING, payloadBytesOf, storedBytesOf } from './page-entry.js';
import type { PageSlab } from './page-slab.js';
import { NO_CELL } from './page-table.js';
import { readOrZeros } from './read-around.js';
import { RANGE_AS_OF_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, recordBytes, RecordKind } from './record.js';
import { RecordWriter } from './record-writer.js';
import type { RecoveredLog } from './recovery.js';
import { type SegmentTable } from './segment-table.js';
import { Space } from './space.js';
import type { StoreIndex } from './store-index.js';
import { NAME_BYTES_MAX, type StoredObject, StoredPool } from './stored-object.js';

/** `damaged`: the page was stored, and what is there now is not it. It is counted, and never handed out. */
export const GetOutcome = { hit: 0, miss: 1, damaged: 2 } as const;
export type GetOutcome = (typeof GetOutcome)[keyof typeof GetOutcome];

export class Engine implements Mover {
  readonly segments: SegmentTable;
  readonly pools: Set<StoredPool> = new Set();
  /** Gets that found a record and could not vouch for it. */
  verifyFailures = 0;
  /** Batches that the files would not take, upkeep's among them. */
  failedCommits = 0;

  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #slab: PageSlab;
  readonly #index: StoreIndex;
  readonly #batch = new Batch();
  readonly #log: LogWriter;
  readonly #records: RecordWriter;
  readonly #space: Space;
  readonly #cleaner: Cleaner;
  readonly #record: Address;
  /** What the batch would add to the live bytes. */
  #pendingBytes = 0;
  /** How the first part of a batch that was committed early and failed did so: the commit its caller waits for does too. */
  #earlyFailure: CommitOutcome = CommitOutcome.done;
  #nextObject: number;
  #nextPool: number;

  /** Use {@link openEngine}. */
  constructor(kernel: Kernel, files: SegmentFiles, recovered: RecoveredLog, limits: { batchBytesMax: number }) {
    this.#kernel = kernel;
    this.#files = files;
    this.#index = recovered.index;
    this.segments = recovered.index.segments;
    this.#slab = recovered.index.slab;
    for (const object of recovered.index.objects.values()) this.pools.add(object.pool);
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
    this.#records = new RecordWriter(kernel, this.#log);
    this.#space = new Space(files, this.segments, this.#log, limits.batchBytesMax);
    this.#cleaner = new Cleaner(kernel, files, this.#index, this.#log, this);
    for (const slot of recovered.marked) this.#log.wipeMark(slot);
    if (recovered.open !== undefined)
      this.#log.resume(recovered.open.slot, recovered.open.generation, recovered.open.end);
    this.segments.buryOldTombstones();
    this.#space.fillReserve(this.#cleaner);
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
    return this.#index.add(objectNumber(this.#nextObject++), pool, name);
  }

  /** Forgets an object without pages. Its number is not used again. */
  forgetObject(object: StoredObject): void {
    assert(object.pages === 0, 'only an empty object disappears');
    this.#index.remove(object);
  }

  /**
   * Stages the page at `from`, in place of the one stored. False: no room, nothing is staged, what is stored stays.
   * `room` is what the pool may still grow by, in stored bytes, what it has staged aside; below 0 it may only shrink.
   */
  put(object: StoredObject, index: PageIndex, from: Address, room: number = Infinity): boolean {
    // An early commit may be about to make what is staged a part of what is stored.
    const storedMax = object.pool.storedBytes + room;
    this.#beginOperation();
    const to = this.#records.begin(object, 'put');
    if (to === undefined) return false;
    const cell = object.table.reach(index);
    const payloadBytes = this.#records.page(to, object, index, from);
    const bytes = recordBytes(payloadBytes);
    const growth = bytes - this.#storedBytesOf(object, index, cell);
    const isOver = growth > 0 && growth > storedMax - object.pool.storedBytes - object.pool.pendingBytes;
    if (isOver || !this.#space.takes(growth + this.#pendingBytes)) {
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
    const location = this.#slab.location(cell);
    const word = this.#slab.word(cell);
    const newest = this.#stagedOf(object, index, word);
    if (newest !== NOT_STAGED) {
      if (this.#batch.op[newest] !== Op.store) return GetOutcome.miss;
      const staged = this.#log.stagedAt(this.#batch.location[newest]!);
      return this.#decode(object, index, staged.record, staged.generation, this.#batch.word[newest]!, to);
    }
    if (location === 0) return GetOutcome.miss;
    const slot = this.segments.slotOf(location);
    const bytes = RECORD_HEADER_BYTES + payloadBytesOf(word);
    // Cut short from outside, or unreadable: what is missing must not be what the last get left here.
    readOrZeros(this.#files, slot, this.segments.offsetOf(location), this.#kernel.bytes, this.#record, bytes);
    return this.#decode(object, index, this.#record, this.segments.generationOf(slot), word, to);
  }

  has(object: StoredObject, index: PageIndex): boolean {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return false;
    const newest = this.#stagedOf(object, index, this.#slab.word(cell));
    return newest === NOT_STAGED ? this.#slab.location(cell) !== 0 : this.#batch.op[newest] === Op.store;
  }

  /** First page in `[first, end)` whose being stored differs from that of `first`. Call it between batches. */
  endOfRun(object: StoredObject, first: number, end: number): number {
    return this.#index.isStored(object, first)
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
    if (!(this.#batch.storesIn(object, first, end) ?? object.table.nextPresent(first, end) < end)) return;
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
   * Writes the batch, then makes it visible. Unless that is done, nothing of it happened, and it is gone. After an
   * early commit of a batch that outgrew its limits, part of it may have happened.
   *
   * @throws when the arena takes no writes at all; the only way on is to end and start again.
   */
  commit(): CommitOutcome {
    const outcome = this.#commitBatch();
    const early = this.#earlyFailure;
    this.#earlyFailure = CommitOutcome.done;
    return early === CommitOutcome.done ? outcome : early;
  }

  /** Cleans what the batches so far owe: to be called when their replies have left, or the next batch pays first. */
  catchUp(): void {
    assert(this.#batch.length === 0, 'the batch is committed');
    this.#space.catchUp(this.#cleaner);
  }

  /**
   * Upkeep in idle moments: cleans until at most `slack` of the live bytes is wasted, gives surplus files back.
   * @param cleans - false: only give back, because puts pay for cleaning
   * @returns whether there is more to do. One call passes at most 128 KiB.
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

  // What the cleaner needs: see Mover. Nobody else calls these.

  relocate(object: StoredObject, index: PageIndex, from: Address): boolean {
    if (!this.#hasBatchRoom()) return false;
    const to = this.#records.begin(object, 'upkeep');
    if (to === undefined) return false;
    const cell = object.table.find(index);
    const word = this.#slab.word(cell);
    const bytes = storedBytesOf(word);
    this.#records.copy(to, from, bytes);
    this.#stageStore(object, index, cell, payloadBytesOf(word), bytes, 0, word & ENTRY_LOST);
    return true;
  }

  markLost(object: StoredObject, index: PageIndex): boolean {
    if (!this.#hasBatchRoom()) return false;
    const to = this.#records.begin(object, 'upkeep');
    if (to === undefined) return false;
    const cell = object.table.find(index);
    this.#records.lost(to, object, index);
    const growth = RECORD_HEADER_BYTES - storedBytesOf(this.#slab.word(cell));
    this.#stageStore(object, index, cell, 0, RECORD_HEADER_BYTES, growth, ENTRY_LOST);
    return true;
  }

  relocateTombstone(kind: number, object: number, index: number): boolean {
    return this.#hasBatchRoom() && this.#moved(this.#records.tombstone(kind, object, index, 0), RECORD_HEADER_BYTES);
  }

  relocateRange(object: number, first: number, count: number, asOf: number): boolean {
    return this.#hasBatchRoom() && this.#moved(this.#records.rangeAsOf(object, first, count, asOf), RANGE_AS_OF_BYTES);
  }

  #moved(location: number | undefined, bytes: number): boolean {
    if (location !== undefined) this.#batch.add(Op.moveTombstone, undefined, undefined, 0, bytes, 0, location);
    return location !== undefined;
  }

  commitName(object: StoredObject): boolean {
    object.namedIn = 0;
    return this.#hasBatchRoom() && this.#records.begin(object, 'upkeep') !== undefined && this.commitUpkeep();
  }

  commitUpkeep(): boolean {
    return this.#commitBatch() === CommitOutcome.done;
  }

  /** Upkeep's batches are as long as it likes: a full one is committed and another begun. */
  #hasBatchRoom(): boolean {
    return (!this.#batch.isFull && this.#log.hasStaging) || this.commitUpkeep();
  }

  /** Before the first operation of a batch, make the room that a batch may need, while cleaning is still possible. */
  #beginOperation(): void {
    if (this.#batch.length > 0) {
      if (!this.#batch.isFull && this.#log.hasStaging) return;
      const outcome = this.#commitBatch();
      if (this.#earlyFailure === CommitOutcome.done) this.#earlyFailure = outcome;
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

  /** Two segments are kept back for this. */
  #stageTombstone(kind: RecordKind, object: number, index: number, count: number): number {
    const location = this.#records.tombstone(kind, object, index, count);
    assert(location !== undefined, 'the reserve has room for a tombstone');
    return location;
  }

  #pend(pool: StoredPool, growth: number): void {
    pool.pendingBytes += growth;
    this.#pendingBytes += growth;
  }

  /** What the page takes now, the staged batch included. */
  #storedBytesOf(object: StoredObject, index: number, cell: number): number {
    const word = this.#slab.word(cell);
    const newest = this.#stagedOf(object, index, word);
    if (newest !== NOT_STAGED)
      return this.#batch.op[newest] === Op.store ? storedBytesOf(this.#batch.word[newest]!) : 0;
    return this.#slab.location(cell) === 0 ? 0 : storedBytesOf(word);
  }

  /** The staged operation that decides what the page is; `word` is its entry's. Most pages have none. */
  #stagedOf(object: StoredObject, index: number, word: number): number {
    const mayHave = (word & ENTRY_PENDING) !== 0 || this.#batch.hasWide;
    return mayHave ? this.#batch.newestOf(object, index) : NOT_STAGED;
  }

  /** `of` is the generation of the segment that the record belongs to. */
  #decode(object: StoredObject, index: PageIndex, record: Address, of: number, word: number, to: Address): GetOutcome {
    const outcome = this.#kernel.decodePage(record, payloadBytesOf(word), to, object.number, index, of);
    if (outcome === DecodeResult.done) return GetOutcome.hit;
    this.verifyFailures++;
    return GetOutcome.damaged;
  }

  #commitBatch(): CommitOutcome {
    const batch = this.#batch;
    if (batch.length === 0 && this.#log.stagedBytes === 0) return CommitOutcome.done;
    const outcome = this.#log.commit();
    const written = outcome === CommitOutcome.done;
    if (!written) this.failedCommits++;
    this.#records.settle(written);
    for (let at = 0; at < batch.length; at++) {
      const pool = batch.pools[at];
      if (pool !== undefined) pool.pendingBytes = 0;
      if (written) this.#apply(at);
      else this.#unpend(at);
    }
    this.#pendingBytes = 0;
    batch.clear();
    return outcome;
  }

  #apply(at: number): void {
    const batch = this.#batch;
    const object = batch.objects[at];
    const index = batch.index[at]!;
    const location = batch.location[at]!;
    const op = batch.op[at]!;
    if (op === Op.store) return this.#index.store(object!, index, location, batch.word[at]!);
    this.segments.addTombstone(this.segments.slotOf(location), batch.tombstoneBytesOf(at));
    if (op === Op.moveTombstone) return;
    if (op === Op.flushPage) this.#index.drop(object!, index);
    else if (op === Op.flushRange) this.#index.dropRange(object!, index, index + batch.value[at]!);
    else if (op === Op.flushObject) this.#index.dropObject(object!);
    else for (const each of batch.pools[at]!.objects) this.#index.dropObject(each);
    if (op === Op.flushPool) this.pools.delete(batch.pools[at]!);
  }

  /** The batch failed: the page is what it was. */
  #unpend(at: number): void {
    const object = this.#batch.objects[at];
    const op = this.#batch.op[at];
    if (object === undefined || (op !== Op.store && op !== Op.flushPage)) return;
    const index = this.#batch.index[at]!;
    const cell = object.table.find(index);
    if (cell === NO_CELL) return;
    const word = this.#slab.word(cell) & ~ENTRY_PENDING;
    this.#slab.setWord(cell, this.#slab.location(cell) === 0 ? 0 : word);
    object.table.prune(index);
  }
}
