/**
 * Which pages are stored and where each one's newest record is, with all the sums that follow from it: live bytes of
 * segments, pages and bytes of pools. Recovery fills it, the engine keeps it; both change it here and nowhere else.
 */
import { type ObjectNumber, type PageIndex, pageIndex, type SegmentSlot } from '../base/ids.js';
import { Contents } from './contents.js';
import { contentOfWord, isRaw, isSameFilled, isShared, isSpilled, slotOfWord, storedBytesOf } from './page-entry.js';
import { PageSlab } from './page-slab.js';
import { NO_CELL } from './page-table.js';
import type { SegmentTable } from './segment-table.js';
import { EPHEMERAL_NUMBERS, StoredObject, type StoredPool } from './stored-object.js';

const NUMBER_MAX = 2 ** 32 - 1;

/** Behind the last index of every object. */
export const INDEX_END: number = 2 ** 32;

export class StoreIndex {
  readonly slab: PageSlab = new PageSlab();
  readonly segments: SegmentTable;
  readonly objects: Map<number, StoredObject> = new Map();
  /** Of pages that are shared. */
  readonly contents: Contents = new Contents();
  #nextEphemeral = EPHEMERAL_NUMBERS;

  constructor(segments: SegmentTable) {
    this.segments = segments;
  }

  add(number: ObjectNumber, pool: StoredPool, name: Uint8Array): StoredObject {
    const object = new StoredObject(number, pool, name, this.slab);
    this.objects.set(object.number, object);
    pool.objects.add(object);
    return object;
  }

  /** Numbers that are not in use are good again: no record of an ephemeral page is found but through the index. */
  nextEphemeralNumber(): number {
    do {
      this.#nextEphemeral = this.#nextEphemeral === NUMBER_MAX ? EPHEMERAL_NUMBERS : this.#nextEphemeral + 1;
    } while (this.objects.has(this.#nextEphemeral));
    return this.#nextEphemeral;
  }

  /** The object must have no pages. */
  remove(object: StoredObject): void {
    this.objects.delete(object.number);
    object.pool.objects.delete(object);
  }

  /** What the page is charged: its record and, if it is shared, all of its content. */
  chargedBytesOf(word: number): number {
    return storedBytesOf(word) + (isShared(word) ? this.contents.bytesOf(contentOfWord(word)) : 0);
  }

  /** There is one page less with this word. A content without pages is gone, and nothing need be written of that. */
  release(word: number): void {
    if (!isShared(word)) return;
    const content = contentOfWord(word);
    const object = this.contents.release(content);
    if (object !== undefined) this.drop(object, content);
  }

  /** The page's newest record is at `location`. A content must have been retained for it. */
  store(object: StoredObject, index: number, location: number, word: number): void {
    const { pool } = object;
    const cell = object.table.reach(index);
    const old = this.slab.location(cell);
    if (old === 0) {
      object.table.occupy(cell, location, word);
      object.pages++;
      pool.pages++;
    } else {
      this.#uncount(pool, old, this.slab.word(cell), word);
      this.slab.set(cell, location, word);
    }
    this.segments.addLive(this.segments.slotOf(location), storedBytesOf(word));
    pool.storedBytes += this.chargedBytesOf(word);
    if (isSameFilled(word)) pool.sameFilledPages++;
    else if (isRaw(word)) pool.rawPages++;
    else if (isSpilled(word)) pool.spilledPages++;
    else if (isShared(word)) pool.sharedPages++;
  }

  /** The page is not stored any more. */
  drop(object: StoredObject, index: number): void {
    const cell = object.table.find(index);
    if (cell === NO_CELL) return;
    const location = this.slab.location(cell);
    if (location === 0) {
      // Stored and flushed by one batch: what marked it as pending goes too.
      this.slab.set(cell, 0, 0);
      object.table.prune(index);
      return;
    }
    this.#uncount(object.pool, location, this.slab.word(cell), 0);
    object.table.vacate(index, cell);
    object.pages--;
    object.pool.pages--;
  }

  /** Pages `[first, end)`. O(pages stored there). */
  dropRange(object: StoredObject, first: number, end: number): void {
    for (let index = object.table.nextPresent(first, end); index < end;) {
      this.drop(object, index);
      index = object.table.nextPresent(index + 1, end);
    }
  }

  /** Of pages `[first, end)` those whose records are in segments opened before `generation`. O(pages stored there). */
  dropRangeAsOf(object: StoredObject, first: number, end: number, generation: number): void {
    for (let index = object.table.nextPresent(first, end); index < end;) {
      const location = this.slab.location(object.table.find(index));
      if (this.segments.generationOf(this.segments.slotOf(location)) < generation) this.drop(object, index);
      index = object.table.nextPresent(index + 1, end);
    }
  }

  /** The object whose page `index` has its newest record at `location`; undefined if that record is superseded. */
  objectWithNewest(number: number, index: number, location: number): StoredObject | undefined {
    const object = this.objects.get(number);
    const cell = object?.table.find(index) ?? NO_CELL;
    return cell !== NO_CELL && this.slab.location(cell) === location ? object : undefined;
  }

  /** The object that the contents of a domain are pages of, if there is one. O(objects). */
  contentsNamed(name: Uint8Array): StoredObject | undefined {
    for (const object of this.objects.values()) {
      if (object.pool.isContents && Buffer.compare(object.pool.name, name) === 0) return object;
    }
    return undefined;
  }

  isStored(object: StoredObject | undefined, index: number): boolean {
    const cell = object?.table.find(index) ?? NO_CELL;
    return cell !== NO_CELL && this.slab.location(cell) !== 0;
  }

  /** Every page that is stored, with its entry. O(pages). */
  *pages(): Generator<{ object: StoredObject; index: PageIndex; location: number; word: number }> {
    for (const object of this.objects.values()) {
      for (let index = object.table.nextPresent(0, INDEX_END); index < INDEX_END;) {
        const cell = object.table.find(index);
        yield { object, index: pageIndex(index), location: this.slab.location(cell), word: this.slab.word(cell) };
        index = object.table.nextPresent(index + 1, INDEX_END);
      }
    }
  }

  /** Every page whose record is in this segment. O(pages of the shard): for damage only. */
  pagesIn(slot: SegmentSlot): { object: StoredObject; index: PageIndex }[] {
    return [...this.pages()].filter(({ location }) => this.segments.slotOf(location) === slot);
  }

  /** A tombstone of all of the object is written. */
  dropObject(object: StoredObject): void {
    this.dropRange(object, 0, INDEX_END);
    object.isSpent = true;
  }

  /** @param next - the word that comes in its place; 0 for none */
  #uncount(pool: StoredPool, location: number, word: number, next: number): void {
    this.segments.addLive(this.segments.slotOf(location), -storedBytesOf(word));
    pool.storedBytes -= this.chargedBytesOf(word);
    if (isSameFilled(word)) pool.sameFilledPages--;
    else if (isRaw(word)) pool.rawPages--;
    else if (isSpilled(word)) {
      pool.spilledPages--;
      const slot = slotOfWord(word);
      // A mark that only moves keeps its slot.
      if (!isSpilled(next) || slotOfWord(next) !== slot) pool.slots?.release(slot);
    } else if (isShared(word)) {
      pool.sharedPages--;
      this.release(word);
    }
  }
}
