/**
 * The batch on its way: operations whose records are staged at the end of the log, and what becomes of them. Until
 * they are committed only this batch itself sees them; then all of them are in the index, or none is anywhere.
 *
 * @hot `newestOf` runs once per get, `store` once per put.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Address } from '../base/ids.js';
import { Batch, NOT_STAGED, Op } from './batch.js';
import type { LogWriter } from './log-writer.js';
import { contentOfWord, ENTRY_PENDING, isShared, storedBytesOf } from './page-entry.js';
import { NO_CELL } from './page-table.js';
import { RecordKind } from './record.js';
import type { RecordWriter } from './record-writer.js';
import type { StoreIndex } from './store-index.js';
import type { StoredObject, StoredPool } from './stored-object.js';

/** Location of an operation that has none. */
const NO_RECORD = 0;

export class Staging {
  /** Batches that the files would not take. */
  failedCommits = 0;
  /** What the batch would add to the live bytes. */
  pendingBytes = 0;
  readonly index: StoreIndex;
  readonly records: RecordWriter;

  readonly #log: LogWriter;
  readonly #pools: Set<StoredPool>;
  readonly #batch = new Batch();

  /** @param pools - from which a pool goes when its flush is committed */
  constructor(index: StoreIndex, log: LogWriter, records: RecordWriter, pools: Set<StoredPool>) {
    this.index = index;
    this.#log = log;
    this.records = records;
    this.#pools = pools;
  }

  get isEmpty(): boolean {
    return this.#batch.length === 0;
  }

  /** Whether it takes so many operations, each with a record; if not, commit first. */
  hasRoomFor(operations: number): boolean {
    return this.#batch.takes(operations) && this.#log.hasStaging(operations);
  }

  /** The staged operation that decides what the page is, or {@link NOT_STAGED}: most pages have none. `cell` is its. */
  newestOf(object: StoredObject, index: number, cell: number): number {
    const mayHave = (this.index.slab.word(cell) & ENTRY_PENDING) !== 0 || this.#batch.hasWide;
    return mayHave ? this.#batch.newestOf(object, index) : NOT_STAGED;
  }

  /** Whether an operation leaves the page stored. */
  isStore(at: number): boolean {
    return this.#batch.op[at] === Op.store;
  }

  /** Of a store: its record in memory, and the word that its entry will have. */
  storeAt(at: number): { record: Address; generation: number; word: number } {
    return { ...this.#log.stagedAt(this.#batch.location[at]!), word: this.#batch.word[at]! };
  }

  /** What the page's entry says now, the batch included; undefined if it is not stored. */
  wordOf(object: StoredObject, index: number, cell: number): number | undefined {
    const newest = this.newestOf(object, index, cell);
    if (newest !== NOT_STAGED) return this.isStore(newest) ? this.#batch.word[newest]! : undefined;
    return this.index.slab.location(cell) === 0 ? undefined : this.index.slab.word(cell);
  }

  /** Whether a page is stored in `[first, end)`, the batch included. */
  isAnyStored(object: StoredObject, first: number, end: number): boolean {
    return this.#batch.storesIn(object, first, end) ?? object.table.nextPresent(first, end) < end;
  }

  /**
   * The page's record was built where the next one goes. `word` will be its entry's. The log's live bytes grow by
   * `growth`, its pool's stored bytes by `charge`.
   */
  store(
    object: StoredObject,
    index: number,
    cell: number,
    word: number,
    growth: number,
    charge: number = growth,
  ): void {
    // From now on, or another operation of the batch could take the content away.
    if (isShared(word)) this.index.contents.retain(contentOfWord(word));
    const location = this.#log.advance(storedBytesOf(word));
    this.#setPending(cell);
    this.#batch.add(Op.store, object, object.pool, index, 0, word, location);
    this.#pend(object.pool, growth, charge);
  }

  flushPage(object: StoredObject, index: number, cell: number): void {
    const word = this.wordOf(object, index, cell);
    if (word !== undefined) this.#pend(object.pool, -storedBytesOf(word), -this.index.chargedBytesOf(word));
    const location = this.#tombstone(object.pool, RecordKind.flushPage, object.number, index, 0);
    this.#setPending(cell);
    this.#batch.add(Op.flushPage, object, object.pool, index, 0, 0, location);
  }

  flushRange(object: StoredObject, first: number, count: number): void {
    const location = this.#tombstone(object.pool, RecordKind.flushRange, object.number, first, count);
    this.#batch.add(Op.flushRange, object, object.pool, first, count, 0, location);
  }

  flushObject(object: StoredObject): void {
    const location = this.#tombstone(object.pool, RecordKind.flushObject, object.number, 0, 0);
    this.#batch.add(Op.flushObject, object, object.pool, 0, 0, 0, location);
  }

  flushPool(pool: StoredPool): void {
    const location = this.#tombstone(pool, RecordKind.flushPool, pool.number, 0, 0);
    this.#batch.add(Op.flushPool, undefined, pool, 0, 0, 0, location);
  }

  /** A tombstone that cleaning moves, of so many bytes, was built and taken. */
  moveTombstone(location: number, bytes: number): void {
    this.#batch.add(Op.moveTombstone, undefined, undefined, 0, bytes, 0, location);
  }

  /**
   * Writes the batch, then makes it visible. Unless that is done, nothing of it happened but flushes of ephemeral pages,
   * and it is gone.
   *
   * @throws when the arena takes no writes at all
   */
  commit(): CommitOutcome {
    const batch = this.#batch;
    if (batch.length === 0 && this.#log.stagedBytes === 0) return CommitOutcome.done;
    const outcome = this.#log.commit();
    const written = outcome === CommitOutcome.done;
    if (!written) this.failedCommits++;
    this.records.settle(written);
    for (let at = 0; at < batch.length; at++) {
      const pool = batch.pools[at];
      if (pool !== undefined) pool.pendingBytes = 0;
      if (written || this.#needsNoWrite(at)) this.#apply(at);
      else this.#unpend(at);
    }
    this.pendingBytes = 0;
    batch.clear();
    return outcome;
  }

  /**
   * Two segments are kept back for this; where nothing is written any more there need be no place for it. What does not
   * outlive the process needs nothing that does.
   */
  #tombstone(pool: StoredPool, kind: RecordKind, object: number, index: number, count: number): number {
    if (!pool.isPersistent) return NO_RECORD;
    const location = this.records.tombstone(kind, object, index, count);
    assert(location !== undefined || this.#log.refusesWrites, 'the reserve has room for a tombstone');
    return location ?? NO_RECORD;
  }

  /** A flush of ephemeral pages. */
  #needsNoWrite(at: number): boolean {
    return this.#batch.op[at] !== Op.store && this.#batch.pools[at]?.isPersistent === false;
  }

  #setPending(cell: number): void {
    this.index.slab.setWord(cell, this.index.slab.word(cell) | ENTRY_PENDING);
  }

  #pend(pool: StoredPool, growth: number, charge: number): void {
    pool.pendingBytes += charge;
    this.pendingBytes += growth;
  }

  #apply(at: number): void {
    const batch = this.#batch;
    const { segments } = this.index;
    const object = batch.objects[at];
    const index = batch.index[at]!;
    const location = batch.location[at]!;
    const op = batch.op[at]!;
    if (op === Op.store) return this.index.store(object!, index, location, batch.word[at]!);
    if (location !== NO_RECORD) segments.addTombstone(segments.slotOf(location), batch.tombstoneBytesOf(at));
    if (op === Op.moveTombstone) return;
    if (op === Op.flushPage) this.index.drop(object!, index);
    else if (op === Op.flushRange) this.index.dropRange(object!, index, index + batch.value[at]!);
    else if (op === Op.flushObject) this.index.dropObject(object!);
    else for (const each of batch.pools[at]!.objects) this.index.dropObject(each);
    if (op === Op.flushPool) this.#pools.delete(batch.pools[at]!);
  }

  /** The batch failed: the page is what it was. */
  #unpend(at: number): void {
    const object = this.#batch.objects[at];
    const op = this.#batch.op[at];
    if (object === undefined || (op !== Op.store && op !== Op.flushPage)) return;
    const index = this.#batch.index[at]!;
    if (op === Op.store) this.index.release(this.#batch.word[at]!);
    const cell = object.table.find(index);
    if (cell === NO_CELL) return;
    const { slab } = this.index;
    const word = slab.word(cell) & ~ENTRY_PENDING;
    slab.setWord(cell, slab.location(cell) === 0 ? 0 : word);
    object.table.prune(index);
  }
}
