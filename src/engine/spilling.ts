/**
 * Pages that leave the store: which ones, the marks that stay in their place, and what a mark says when a page comes back.
 *
 *      stored ──hand finds it──▶ written to a slot ──mark staged, committed──▶ spilled
 *         ▲                                                                       │
 *         └──────────── put: of the page that came back, or of a new one ─────────┘
 *
 * Slots, files and waiting are the business of the layer above. A page goes only if what is stored when its slot is written
 * has the hash of what was written there, and if nobody has used it meanwhile.
 */
import type { Address, PageIndex } from '../base/ids.js';
import { pageIndex } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Kernel } from './kernel.js';
import { ENTRY_LOST, ENTRY_PENDING, ENTRY_SPILLED, ENTRY_USED } from './page-entry.js';
import { isSpilled, slotOfWord, storedBytesOf, wordOfSlot } from './page-entry.js';
import { NO_CELL } from './page-table.js';
import { readOrZeros } from './read-around.js';
import { hashOf, MARK_BYTES, markAt, type PageHash, recordBytes, RecordField } from './record.js';
import type { Staging } from './staging.js';
import { INDEX_END, type StoreIndex } from './store-index.js';
import type { StoredObject, StoredPool } from './stored-object.js';

/** Of {@link Spilling.slotOf}: the page is not in a slot. */
export const NO_SLOT = -1;

/** A mark, in the log. */
const MARK_RECORD_BYTES: number = recordBytes(MARK_BYTES);

/** A page that takes less is not worth a read of a disk. */
const SPILLED_BYTES_MIN: number = 2 * MARK_RECORD_BYTES;

export interface SpillingGround {
  readonly kernel: Kernel;
  readonly files: SegmentFiles;
  readonly index: StoreIndex;
  readonly staging: Staging;
  /** Makes room for another operation of the batch. */
  readonly begin: () => void;
}

export class Spilling {
  readonly #ground: SpillingGround;
  readonly #record: Address;

  constructor(ground: SpillingGround) {
    this.#ground = ground;
    this.#record = ground.kernel.allocate(MARK_RECORD_BYTES);
  }

  /** For one pool, to go round its pages with. */
  hand(pool: StoredPool): SpillHand {
    return new SpillHand(pool, this.#ground.index);
  }

  /** The slot that the page is in; {@link NO_SLOT} if it is stored, staged, or not there at all. */
  slotOf(object: StoredObject, index: PageIndex): number {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return NO_SLOT;
    const { slab } = this.#ground.index;
    const word = slab.word(cell);
    if (!isSpilled(word) || (word & ENTRY_PENDING) !== 0) return NO_SLOT;
    return slotOfWord(word);
  }

  /** All slots that marks of the pool name. O(pages of the pool). */
  *slotsOf(pool: StoredPool): Generator<number> {
    if (pool.spilledPages === 0) return;
    for (const { object, word } of this.#ground.index.pages()) {
      if (object.pool === pool && isSpilled(word)) yield slotOfWord(word);
    }
  }

  /** Behind the last slot that a mark of the pool names; 0 where there is none. O(pages of the pool). */
  slotsEnd(pool: StoredPool): number {
    let end = 0;
    for (const slot of this.slotsOf(pool)) end = Math.max(end, slot + 1);
    return end;
  }

  /** The spilled page is asked for. @returns whether it was before, since it was spilled */
  use(object: StoredObject, index: PageIndex): boolean {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return false;
    const { slab } = this.#ground.index;
    const word = slab.word(cell);
    slab.setWord(cell, word | ENTRY_USED);
    return (word & ENTRY_USED) !== 0;
  }

  /** Whether what stands at `page` is the page that was spilled to `slot`. One small read of the arena. */
  vouchesFor(object: StoredObject, index: PageIndex, slot: number, page: Address): boolean {
    const { kernel, index: pages } = this.#ground;
    const cell = object.table.find(index);
    if (cell === NO_CELL || !isSpilled(pages.slab.word(cell)) || !this.#load(object, index, cell)) return false;
    if (!kernel.payloadValid(this.#record, MARK_BYTES, this.#record)) return false;
    const mark = markAt(kernel.view, this.#record);
    return mark.slot === slot && isSame(this.hashOf(page), mark.hash);
  }

  /** Of the page at this address. */
  hashOf(page: Address): PageHash {
    const { kernel } = this.#ground;
    return { low: kernel.xxh3(page, PAGE_BYTES, 0), high: kernel.xxh3High() };
  }

  /**
   * Stages the mark of a page that the hand had found. What is in `slot` now has this hash.
   *
   * @returns false: it was changed or used since, or there is no room for the mark; it stays as it is
   */
  mark(object: StoredObject, index: PageIndex, slot: number, hash: PageHash): boolean {
    const { kernel, index: pages, staging, begin } = this.#ground;
    if (object.isSpent) return false;
    begin();
    const cell = object.table.find(index);
    if (cell === NO_CELL || pages.slab.location(cell) === 0) return false;
    const word = pages.slab.word(cell);
    if ((word & (ENTRY_USED | ENTRY_SPILLED | ENTRY_PENDING | ENTRY_LOST)) !== 0) return false;
    if (!this.#load(object, index, cell) || !isSame(hashOf(kernel.view, this.#record), hash)) return false;
    const to = staging.records.begin(object, 'upkeep');
    if (to === undefined) return false;
    staging.records.mark(to, object, index, slot, hash);
    staging.store(object, index, cell, wordOfSlot(slot), MARK_RECORD_BYTES - storedBytesOf(word));
    return true;
  }

  /** The start of the page's record into memory. False: it is no record of this page. */
  #load(object: StoredObject, index: PageIndex, cell: number): boolean {
    const { kernel, files, index: pages } = this.#ground;
    const { segments } = pages;
    const location = pages.slab.location(cell);
    const slot = segments.slotOf(location);
    const record = this.#record;
    readOrZeros(files, slot, segments.offsetOf(location), kernel.bytes, record, MARK_RECORD_BYTES);
    const { view } = kernel;
    return (
      kernel.headerValid(record, segments.generationOf(slot)) &&
      view.getUint32(record + RecordField.object, true) === object.number &&
      view.getUint32(record + RecordField.index, true) === index
    );
  }
}

/**
 * A clock's hand over the pages of a pool. A page that was put or got since it came by last is passed over once more; one
 * that was not is found. (CLOCK, Corbato 1968: in the long run, about the least recently used.)
 *
 * It goes in the order of the pages, so that those which a guest swaps in together lie side by side in the file.
 */
export class SpillHand {
  /** The page found last. */
  object: StoredObject | undefined;
  index: PageIndex = pageIndex(0);
  /** Times that it came by the last page, since the caller has set it to 0. */
  turns = 0;

  readonly #pool: StoredPool;
  readonly #pages: StoreIndex;
  #objects: Iterator<StoredObject>;
  #current: StoredObject | undefined;
  #at = 0;

  constructor(pool: StoredPool, pages: StoreIndex) {
    this.#pool = pool;
    this.#pages = pages;
    this.#objects = pool.objects.values();
  }

  /** Looks at no more than `looks` pages, nor past the last. @returns pages looked at, the one found included, if any */
  next(looks: number): number {
    const { slab } = this.#pages;
    this.object = undefined;
    for (let looked = 0; looked < looks;) {
      this.#current ??= this.#nextObject();
      if (this.#current === undefined) return looked;
      const { table } = this.#current;
      const index = table.nextPresent(this.#at, INDEX_END);
      looked++;
      if (index === INDEX_END) {
        this.#current = undefined;
        continue;
      }
      this.#at = index + 1;
      const cell = table.find(index);
      const word = slab.word(cell);
      if ((word & (ENTRY_SPILLED | ENTRY_PENDING | ENTRY_LOST)) !== 0 || storedBytesOf(word) < SPILLED_BYTES_MIN)
        continue;
      if ((word & ENTRY_USED) !== 0) {
        slab.setWord(cell, word & ~ENTRY_USED);
        continue;
      }
      this.object = this.#current;
      this.index = pageIndex(index);
      return looked;
    }
    return looks;
  }

  /** From the first page of the next object; after the last object, undefined, and the next call is for the first again. */
  #nextObject(): StoredObject | undefined {
    const next = this.#objects.next();
    this.#at = 0;
    if (next.done !== true) return next.value;
    this.#objects = this.#pool.objects.values();
    this.turns++;
    return undefined;
  }
}

function isSame(a: PageHash, b: PageHash): boolean {
  return a.low === b.low && a.high === b.high;
}
