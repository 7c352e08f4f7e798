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
 * Stored and committed, a page is read back identical until it is flushed or replaced, or its record is damaged, which
 * every get detects and reports. Pages of ephemeral pools are no exception while the process lives; they end with it.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import { ArenaSync } from './arena-sync.js';
import { type Address, objectNumber, type PageIndex, pageIndex, poolNumber } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { NOT_STAGED } from './batch.js';
import { Cleaner } from './cleaner.js';
import { GetOutcome } from './get-outcome.js';
import { Getting } from './getting.js';
import type { Kernel } from './kernel.js';
import { LogWriter, RESERVE_SEGMENTS, STAGE_BYTES } from './log-writer.js';
import { Mover } from './mover.js';
import { ENTRY_SPILLED, ENTRY_USED, storedBytesOf } from './page-entry.js';
import type { PageSlab } from './page-slab.js';
import { NO_CELL } from './page-table.js';
import type { PutOutcome } from './put-outcome.js';
import { Putting } from './putting.js';
import { RECORD_BYTES_MAX } from './record.js';
import { RecordWriter } from './record-writer.js';
import type { RecoveredLog } from './recovery.js';
import { beginSynced, closeSynced } from './synced-life.js';
import { type SegmentTable } from './segment-table.js';
import { type Room, Space, YieldOutcome } from './space.js';
import { Spilling } from './spilling.js';
import { Staging } from './staging.js';
import type { StoreIndex } from './store-index.js';
import { contentsName, NAME_BYTES_MAX, type StoredObject, StoredPool } from './stored-object.js';

/** Of an entry that a get need not mark. */
const MARKED_USED: number = ENTRY_USED | ENTRY_SPILLED;

export class Engine {
  readonly segments: SegmentTable;
  readonly pools: Set<StoredPool> = new Set();
  /** For pages that leave the store and are not lost. */
  readonly spilling: Spilling;
  readonly #files: SegmentFiles;
  readonly #slab: PageSlab;
  readonly #index: StoreIndex;
  readonly #log: LogWriter;
  readonly #records: RecordWriter;
  readonly #staging: Staging;
  readonly #getting: Getting;
  readonly #putting: Putting;
  readonly #space: Space;
  readonly #cleaner: Cleaner;
  readonly #sync: ArenaSync | undefined;
  readonly #batchBytesMax: number;
  /** How the first part of a batch that was committed early and failed did so: the commit its caller waits for does too. */
  #earlyFailure: CommitOutcome = CommitOutcome.done;
  #nextObject: number;
  #nextPool: number;

  /** Use {@link openEngine}. */
  constructor(kernel: Kernel, files: SegmentFiles, recovered: RecoveredLog, limits: { batchBytesMax: number }) {
    this.#files = files;
    this.#index = recovered.index;
    this.segments = recovered.index.segments;
    this.#slab = recovered.index.slab;
    for (const { pool } of recovered.index.objects.values()) if (!pool.isContents) this.pools.add(pool);
    this.#nextObject = recovered.nextObject;
    this.#nextPool = recovered.nextPool;
    this.#batchBytesMax = limits.batchBytesMax;
    this.#log = new LogWriter({
      kernel,
      files,
      segments: this.segments,
      arena: recovered.arena,
      stagingBytes: limits.batchBytesMax + 2 * STAGE_BYTES,
      sequence: recovered.sequence,
      makeFree: (use) => this.#sync === undefined && this.#space.makeFree(use),
    });
    this.#records = new RecordWriter(kernel, this.#log);
    this.#staging = new Staging(this.#index, this.#log, this.#records, this.pools);
    this.#getting = new Getting(kernel, files, this.#staging);
    const begin = (records?: number): void => this.#beginOperation(records);
    this.spilling = new Spilling({ kernel, files, index: this.#index, staging: this.#staging, begin });
    this.#putting = new Putting({
      kernel,
      staging: this.#staging,
      seed: recovered.arena.low,
      begin,
      takes: (growth) => this.#space.takes(growth + this.#staging.pendingBytes),
      readContent: (content, to) => this.#getting.readContent(content, to) === GetOutcome.hit,
    });
    this.#sync = this.#newSync();
    this.#space = new Space(files, this.segments, this.#log, limits.batchBytesMax, this.#sync);
    this.#cleaner = new Cleaner(kernel, files, this.#index, this.#log, new Mover(this.#staging), this.#sync);
    if (this.#sync === undefined) for (const slot of recovered.marked) this.#log.wipeMark(slot);
    else beginSynced(kernel, files, this.#log, this.#sync, recovered);
    if (recovered.open !== undefined)
      this.#log.resume(recovered.open.slot, recovered.open.generation, recovered.open.end);
    this.segments.buryOldTombstones();
    this.#space.fillReserve(this.#cleaner);
  }

  /** There where what is committed outlives the host only after a sync. */
  get durability(): Durability | undefined {
    return this.#sync;
  }

  /** Syncs that failed: after one the store takes no change. */
  get failedSyncs(): number {
    return this.#sync?.failures ?? 0;
  }

  /** What is stored in a pool that is not persistent ends with the process, and its flushes cost nothing in the arena. */
  createPool(name: Uint8Array, isPersistent: boolean = true): StoredPool {
    assert(name.length <= NAME_BYTES_MAX, 'pool names are short');
    const pool = new StoredPool(poolNumber(this.#nextPool++), name, isPersistent);
    this.pools.add(pool);
    return pool;
  }

  /** Costs nothing in the arena before its first page. */
  createObject(pool: StoredPool, name: Uint8Array): StoredObject {
    assert(pool.name.length + name.length + 2 <= NAME_BYTES_MAX, 'names are short');
    const number = pool.isPersistent ? this.#nextObject++ : this.#index.nextEphemeralNumber();
    return this.#index.add(objectNumber(number), pool, name);
  }

  /** Forgets an object without pages. Its number is not used again. */
  forgetObject(object: StoredObject): void {
    assert(object.pages === 0, 'only an empty object disappears');
    this.#index.remove(object);
  }

  /**
   * Stages the page at `from`, in place of the one stored. Unless it is `stored`, nothing is staged, what is stored stays.
   * `room` is what the pool may still grow by, in stored bytes, what it has staged aside; below 0 it may only shrink.
   */
  put(object: StoredObject, index: PageIndex, from: Address, room: number = Infinity): PutOutcome {
    return this.#putting.put(object, index, from, room);
  }

  /** Whether the last put that was stored is in place of a page, the batch included. */
  get lastPutReplaced(): boolean {
    return this.#putting.lastReplaced;
  }

  /**
   * From now on what is put into the pool shares its memory with equal pages of all pools of this domain, and of no other.
   * Pages that are stored stay as they are. Null: with none.
   */
  shareWithin(pool: StoredPool, domain: string | null): void {
    assert(pool.isPersistent, 'ephemeral pages are not shared');
    pool.domain = undefined;
    if (domain === null) return;
    const known = this.#index.contentsNamed(contentsName(domain));
    pool.domain = this.#index.contents.domainOf(known ?? this.#newContents(contentsName(domain)));
  }

  /** Contents that pages share, and the bytes that pools are charged for pages and the arena does not take. O(1). */
  get sharing(): { readonly contents: number; readonly savedBytes: number } {
    const { count, savedBytes } = this.#index.contents;
    return { contents: count, savedBytes };
  }

  /**
   * Whether the arena takes another page, however badly it compresses, without more cleaning than puts can pay for:
   * the question for whoever has pages to give up instead.
   */
  get hasRoom(): boolean {
    return this.#space.takesCheaply(RECORD_BYTES_MAX + this.#staging.pendingBytes);
  }

  get room(): Room {
    return this.#space;
  }

  /** The page whose entry is in this cell of the index, which must be in use. */
  pageAt(cell: number): { object: StoredObject; index: PageIndex } {
    const object = this.#index.objects.get(this.#slab.ownerOf(cell));
    assert(object !== undefined, 'an entry in use has an object');
    return { object, index: pageIndex(this.#slab.indexOf(cell)) };
  }

  /** The cell of a page that is stored, the batch left aside; {@link NO_CELL} if it is not. Its own as long as it is. */
  cellOf(object: StoredObject, index: PageIndex): number {
    return this.#index.isStored(object, index) ? object.table.find(index) : NO_CELL;
  }

  /** The cells of the pages stored in `[first, end)`, the batch left aside. O(pages stored there). */
  *cellsIn(object: StoredObject, first: number, end: number): Generator<number> {
    for (let index = object.table.nextPresent(first, end); index < end;) {
      yield object.table.find(index);
      index = object.table.nextPresent(index + 1, end);
    }
  }

  /** What the page in this cell takes in the arena. */
  storedBytesAt(cell: number): number {
    return storedBytesOf(this.#slab.word(cell));
  }

  /** The page to `to`, which needs 64 bytes of slack behind it; untouched on a miss. One read of the arena. */
  get(object: StoredObject, index: PageIndex, to: Address): GetOutcome {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return GetOutcome.miss;
    const word = this.#slab.word(cell);
    // Only the spiller asks what was used.
    if ((word & MARKED_USED) === 0 && object.pool.slots !== undefined) this.#slab.setWord(cell, word | ENTRY_USED);
    return this.#getting.read(object, index, cell, to);
  }

  /** A get that does not count as a use. */
  peek(object: StoredObject, index: PageIndex, to: Address): GetOutcome {
    const cell = object.table.find(index);
    return cell === NO_CELL ? GetOutcome.miss : this.#getting.read(object, index, cell, to);
  }

  has(object: StoredObject, index: PageIndex): boolean {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return false;
    const newest = this.#staging.newestOf(object, index, cell);
    return newest === NOT_STAGED ? this.#slab.location(cell) !== 0 : this.#staging.isStore(newest);
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
    this.#staging.flushPage(object, index, object.table.find(index));
    return true;
  }

  /** Flushes pages `[first, first + count)`; writes nothing where none is stored. Never refused. O(pages stored there). */
  flushRange(object: StoredObject, first: PageIndex, count: number): void {
    this.#beginOperation();
    if (this.#staging.isAnyStored(object, first, first + count)) this.#staging.flushRange(object, first, count);
  }

  /** Every page of the object, whose number is not used again: a new put needs a new object. */
  flushObject(object: StoredObject): void {
    this.#beginOperation();
    this.#staging.flushObject(object);
  }

  /** Flushes every page of the pool, whose number is not used again. */
  flushPool(pool: StoredPool): void {
    this.#beginOperation();
    this.#staging.flushPool(pool);
  }

  /**
   * Writes the batch, then makes it visible. Unless that is done, nothing of it happened, and it is gone. After an
   * early commit of a batch that outgrew its limits, part of it may have happened.
   *
   * @throws when the arena takes no writes at all; the only way on is to end and start again.
   */
  commit(): CommitOutcome {
    const outcome = this.#staging.commit();
    const early = this.#earlyFailure;
    this.#earlyFailure = CommitOutcome.done;
    return early === CommitOutcome.done ? outcome : early;
  }

  /** Cleans what the batches so far owe: to be called when their replies have left, or the next batch pays first. */
  catchUp(): void {
    assert(this.#staging.isEmpty, 'the batch is committed');
    this.#space.catchUp(this.#cleaner);
    this.#sync?.pursue(this.#space.isShort);
  }

  /**
   * Upkeep in idle moments: cleans until at most `slack` of the live bytes is wasted, gives surplus files back.
   * @param cleans - false: only give back, because puts pay for cleaning
   * @returns whether there is more to do. One call passes at most 128 KiB.
   */
  maintain(slack: number, cleans: boolean): boolean {
    if (!this.#staging.isEmpty) return true;
    this.#sync?.advance();
    this.#sync?.pursue(true);
    if (this.#space.giveBack(slack)) return true;
    return cleans && this.#space.isWasteful(slack) && this.#cleaner.step();
  }

  /** Gives one segment up for another shard, as {@link Space.yieldFile}; never below the reserve, and no page is lost. */
  yieldSegment(cheaply: boolean): YieldOutcome {
    return this.#staging.isEmpty ? this.#space.yieldFile(this.#cleaner, cheaply) : YieldOutcome.working;
  }

  /** Whether the largest batch would find room, if need be in segments that the shared capacity has left; one that has begun does. */
  get mayGrow(): boolean {
    return !this.#staging.isEmpty || this.#space.mayGrow(this.#batchBytesMax);
  }

  /** Seals and marks the log as closed, so that the next start knows whether all of it is there. On a disk it waits for it. */
  close(): void {
    assert(this.#staging.isEmpty, 'the last batch is committed');
    if (this.#sync === undefined) {
      this.#log.seal();
      this.#log.markClosed();
    } else {
      closeSynced(this.#log, this.#sync, this.segments);
    }
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

  /** Gets that found a record and could not vouch for it, those from spill files among them. */
  get verifyFailures(): number {
    return this.#getting.verifyFailures;
  }

  set verifyFailures(count: number) {
    this.#getting.verifyFailures = count;
  }

  /** Batches that the files would not take, upkeep's among them. */
  get failedCommits(): number {
    return this.#staging.failedCommits;
  }

  /** Files that hold nothing, beyond those kept in reserve. */
  get spareBytes(): number {
    return Math.max(0, this.segments.freeFiles - RESERVE_SEGMENTS) * this.segments.segmentBytes;
  }

  /** The index, and what stands for segments, pools and objects, in memory. */
  get metadataBytes(): number {
    return this.#slab.bytes + this.#index.contents.bytes + this.segments.slots * 17;
  }

  /** Before the first operation of a batch, make the room that a batch may need, while cleaning is still possible. */
  #beginOperation(records: number = 1): void {
    if (!this.#staging.isEmpty) {
      if (this.#staging.hasRoomFor(records)) return;
      const outcome = this.#staging.commit();
      if (this.#earlyFailure === CommitOutcome.done) this.#earlyFailure = outcome;
    }
    this.#space.beforeBatch(this.#cleaner);
    this.#log.mark();
  }

  #newContents(name: Uint8Array): StoredObject {
    const pool = new StoredPool(poolNumber(this.#nextPool++), name);
    return this.#index.add(objectNumber(this.#nextObject++), pool, new Uint8Array());
  }

  #newSync(): ArenaSync | undefined {
    const { syncing } = this.#files;
    if (syncing === undefined) return undefined;
    return new ArenaSync({
      syncing,
      log: this.#log,
      segments: this.segments,
      isIdle: () => this.#staging.isEmpty,
      isShort: () => {
        this.#space.beforeBatch(this.#cleaner);
        return this.#space.isShort;
      },
      commit: () => this.#staging.commit(),
      remove: (slot) => this.#files.remove(slot, () => this.segments.gone(slot)),
    });
  }
}
