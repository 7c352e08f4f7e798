/**
 * The spill file of one pool: its slots, and pages on their way back from it.
 *
 *      get: elsewhere ──▶ fetch ──read──▶ verified ──▶ here: for who asked
 *                                              └─ room in the store? ──▶ put: in the store again, and gone from here
 *
 * A page may change while it is being read. What frees its slot, a put or a flush, says so to whoever waits for the page,
 * and a late arrival is dropped.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import type { FetchedPage, FetchState } from '../base/elsewhere.js';
import type { Address, PageIndex } from '../base/ids.js';
import type { PageMemory } from '../base/page-memory.js';
import type { SpillFile } from '../base/spill-file.js';
import { PAGE_BYTES } from '../base/units.js';
import { type Engine } from '../engine/engine.js';
import { PutOutcome } from '../engine/put-outcome.js';
import { NO_SLOT, type SpillHand } from '../engine/spilling.js';
import type { SlotOwner, StoredObject } from '../engine/stored-object.js';
import { SpillSlots } from './spill-slots.js';
import type { TmemPool } from './tmem-pool.js';

/** What a pool's spill stands on. */
export interface SpillGround {
  readonly engine: Engine;
  readonly memory: PageMemory;
  /** A page and 64 bytes of slack, of no meaning between calls. */
  readonly scratch: Address;
  readonly commit: () => CommitOutcome;
}

/** A page that was read stays in the store if it is no fuller than this: the spiller stops there. */
const ROOM_FOR_ALL = 0.8;

/** The same for one that was read a second time: less wanted pages will go in its place. */
const ROOM_FOR_WANTED = 0.9;

/** On a disk: slots that wait for a sync before one is asked for. */
const RELEASED_FOR_SYNC = 256;

const NOTHING = new Uint8Array();

export class PoolSpill implements SlotOwner {
  readonly pool: TmemPool;
  readonly file: SpillFile;
  readonly slots: SpillSlots = new SpillSlots();
  readonly hand: SpillHand;
  /** Reads, writes and syncs of the file that failed. */
  failures = 0;
  syncFailures = 0;
  pagesOut = 0;
  /** Pages that were read, and those of them that the store has taken again. */
  pagesFetched = 0;
  pagesBack = 0;
  /** The last write failed: none is tried before this time. */
  failingUntilUs = 0;
  isFailing = false;
  /** The hand has been round and found nothing. */
  isExhausted = false;
  /** The same, while pages are being written: until some have been. */
  isAllOut = false;
  /** Batches of pages that are being written. */
  writing = 0;

  readonly #ground: SpillGround;
  readonly #fetches = new Map<number, Fetch>();
  #reading = 0;
  /** Slots that no mark names, as soon as that is synced. */
  #released: number[] = [];
  #isSyncing = false;
  /** Its blocks are given back, or are being. */
  #isEmptied = false;
  #isEmptying = false;
  #isRetired = false;
  #isClosed = false;

  constructor(ground: SpillGround, pool: TmemPool, file: SpillFile) {
    this.#ground = ground;
    this.pool = pool;
    this.file = file;
    const { spilling } = ground.engine;
    this.hand = spilling.hand(pool.stored);
    for (const slot of spilling.slotsOf(pool.stored)) this.slots.claim(slot);
    pool.stored.slots = this;
  }

  get canSpill(): boolean {
    if (this.isFailing || this.isExhausted || this.isAllOut) return false;
    return !this.#isEmptying && !this.#isRetired && !this.#isClosed;
  }

  /** The lowest free slot. */
  take(): number {
    if (this.#released.length >= RELEASED_FOR_SYNC) this.#reclaim();
    this.#isEmptied = false;
    return this.slots.take();
  }

  release(slot: number): void {
    this.#fetches.get(slot)?.drop();
    this.#fetches.delete(slot);
    if (this.#ground.engine.durability === undefined) this.slots.give(slot);
    else this.#released.push(slot);
  }

  isAway(object: StoredObject, index: PageIndex): boolean {
    return this.#ground.engine.spilling.slotOf(object, index) !== NO_SLOT;
  }

  /** Of a page that is away. See {@link Elsewhere.fetch}. */
  fetch(object: StoredObject, index: PageIndex, arrived: () => void): FetchedPage {
    const { spilling } = this.#ground.engine;
    const slot = spilling.slotOf(object, index);
    assert(slot !== NO_SLOT, 'what is fetched is elsewhere');
    let fetch = this.#fetches.get(slot);
    if (fetch === undefined || fetch.state === 'failed') {
      const isWanted = spilling.use(object, index);
      fetch = new Fetch(() => this.#forget(slot));
      this.#fetches.set(slot, fetch);
      this.#read(fetch, object, index, slot, isWanted);
    }
    fetch.hold(arrived);
    return fetch;
  }

  /** When nothing is in use and nothing under way the file's blocks are given back. */
  tidy(): void {
    if (this.#released.length > 0) this.#reclaim();
    if (this.slots.used > 0 || this.writing > 0 || this.#reading > 0 || this.#isEmptied || this.#isClosed) return;
    this.#isEmptied = this.#isEmptying = true;
    this.writing++;
    this.file.empty((error) => {
      this.writing--;
      this.#isEmptying = false;
      if (error !== undefined) this.#isEmptied = false;
    });
  }

  /** The pool is no more: what its file holds goes as soon as no call is under way. */
  retire(): void {
    this.#isRetired = true;
    this.#leaveEmpty();
  }

  /** A batch has been written, or could not be. */
  endWriting(): void {
    this.writing--;
    this.isAllOut = false;
    this.#leaveEmpty();
  }

  close(): void {
    this.#isClosed = true;
    this.pool.stored.slots = undefined;
    for (const fetch of this.#fetches.values()) fetch.drop();
    this.#fetches.clear();
    this.file.close();
  }

  #read(fetch: Fetch, object: StoredObject, index: PageIndex, slot: number, isWanted: boolean): void {
    const bytes = new Uint8Array(PAGE_BYTES);
    this.#reading++;
    this.file.read(slot, bytes, (error) => {
      this.#reading--;
      if (fetch.state === 'coming') {
        if (error === undefined) this.#arrive(fetch, object, index, slot, bytes, isWanted);
        else {
          this.failures++;
          this.#fetches.delete(slot);
          fetch.end('failed', NOTHING);
        }
      }
      this.#leaveEmpty();
    });
  }

  /** Where the arena is on a disk a power loss may bring the pool back, until its end is synced: and its pages with it. */
  #leaveEmpty(): void {
    if (!this.#isRetired || this.#isEmptying || this.writing > 0 || this.#reading > 0) return;
    this.#isEmptying = true;
    const { durability } = this.#ground.engine;
    const empty = (): void => this.file.empty(() => this.close());
    if (durability === undefined) return empty();
    durability.sync((outcome) => (outcome === CommitOutcome.done ? empty() : this.close()));
  }

  #arrive(
    fetch: Fetch,
    object: StoredObject,
    index: PageIndex,
    slot: number,
    bytes: Uint8Array,
    isWanted: boolean,
  ): void {
    const { engine, memory, scratch } = this.#ground;
    memory.bytes.set(bytes, scratch);
    if (!engine.spilling.vouchesFor(object, index, slot, scratch)) {
      engine.verifyFailures++;
      this.pool.statistics.verifyFailures++;
      this.#fetches.delete(slot);
      return fetch.end('damaged', NOTHING);
    }
    this.pagesFetched++;
    if (engine.room.fill < (isWanted ? ROOM_FOR_WANTED : ROOM_FOR_ALL)) this.#keep(object, index);
    // Kept, its slot is free, and whoever asked has been told already.
    if (fetch.state !== 'coming') return;
    if (fetch.isWanted) fetch.end('here', bytes);
    else this.#fetches.delete(slot);
  }

  /** In the store again, if that takes it: nobody depends on it. */
  #keep(object: StoredObject, index: PageIndex): void {
    const { engine, scratch, commit } = this.#ground;
    if (engine.put(object, index, scratch, this.pool.owner.roomOf(this.pool)) !== PutOutcome.stored) return;
    if (commit() === CommitOutcome.done) this.pagesBack++;
  }

  #forget(slot: number): void {
    this.#fetches.delete(slot);
  }

  #reclaim(): void {
    const { durability } = this.#ground.engine;
    if (this.#isSyncing || durability === undefined) return;
    const released = this.#released;
    this.#released = [];
    this.#isSyncing = true;
    durability.sync((outcome) => {
      this.#isSyncing = false;
      // Else the store takes no change any more.
      if (outcome === CommitOutcome.done) for (const slot of released) this.slots.give(slot);
    });
  }
}

/** One page that is being read, or was, and those who asked for it. */
class Fetch implements FetchedPage {
  state: FetchState = 'coming';
  bytes: Uint8Array = NOTHING;
  readonly #onReleased: () => void;
  #waiting: (() => void)[] = [];
  #holders = 0;

  constructor(onReleased: () => void) {
    this.#onReleased = onReleased;
  }

  /** Whether anybody still waits for it. */
  get isWanted(): boolean {
    return this.#holders > 0;
  }

  hold(arrived: () => void): void {
    this.#holders++;
    if (this.state === 'coming') this.#waiting.push(arrived);
    else queueMicrotask(arrived);
  }

  release(): void {
    if (--this.#holders > 0 || this.state !== 'here') return;
    this.bytes = NOTHING;
    this.#onReleased();
  }

  /** The page has changed: what is read of it, or was, is of no use. */
  drop(): void {
    this.end('gone', NOTHING);
  }

  end(state: FetchState, bytes: Uint8Array): void {
    this.state = state;
    this.bytes = bytes;
    for (const arrived of this.#waiting.splice(0)) arrived();
  }
}
