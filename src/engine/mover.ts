/**
 * What cleaning appends of a victim. It has batches of its own, between those of the store's users: as long as it likes,
 * because a full one is committed and another begun.
 */
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Address, PageIndex } from '../base/ids.js';
import { ENTRY_LOST, ENTRY_PENDING, storedBytesOf } from './page-entry.js';
import { RANGE_AS_OF_BYTES, RECORD_HEADER_BYTES } from './record.js';
import type { Staging } from './staging.js';
import type { StoredObject } from './stored-object.js';

/** All but the last two stage only; false: no room, or the batch before could not be written. */
export class Mover {
  readonly #staging: Staging;

  constructor(staging: Staging) {
    this.#staging = staging;
  }

  /** Commits that failed: of what was staged for one, nothing has moved. */
  get failedCommits(): number {
    return this.#staging.failedCommits;
  }

  /** A copy of a live record that stands at `from` in memory. */
  relocate(object: StoredObject, index: PageIndex, from: Address): boolean {
    const to = this.#begin(object);
    if (to === undefined) return false;
    const { cell, word } = this.#entryOf(object, index);
    this.#staging.records.copy(to, from, storedBytesOf(word));
    this.#staging.store(object, index, cell, word & ~ENTRY_PENDING, 0);
    return true;
  }

  /** "This page is lost", in place of a record that cannot be read any more. */
  markLost(object: StoredObject, index: PageIndex): boolean {
    const to = this.#begin(object);
    if (to === undefined) return false;
    const { cell, word } = this.#entryOf(object, index);
    this.#staging.records.lost(to, object, index);
    const growth = RECORD_HEADER_BYTES - storedBytesOf(word);
    const charge = RECORD_HEADER_BYTES - this.#staging.index.chargedBytesOf(word);
    this.#staging.store(object, index, cell, ENTRY_LOST, growth, charge);
    return true;
  }

  /** A tombstone of one page, an object or a pool. */
  relocateTombstone(kind: number, object: number, index: number): boolean {
    if (!this.#hasRoom()) return false;
    return this.#moved(this.#staging.records.tombstone(kind, object, index, 0), RECORD_HEADER_BYTES);
  }

  /** One of a range, as far as segments opened before `asOf` hold it. */
  relocateRange(object: number, first: number, count: number, asOf: number): boolean {
    if (!this.#hasRoom()) return false;
    return this.#moved(this.#staging.records.rangeAsOf(object, first, count, asOf), RANGE_AS_OF_BYTES);
  }

  /** The object's name once more, behind all that was committed. */
  commitName(object: StoredObject): boolean {
    object.namedIn = 0;
    return this.#begin(object) !== undefined && this.commit();
  }

  commit(): boolean {
    return this.#staging.commit() === CommitOutcome.done;
  }

  #begin(object: StoredObject): Address | undefined {
    return this.#hasRoom() ? this.#staging.records.begin(object, 'upkeep') : undefined;
  }

  #hasRoom(): boolean {
    return this.#staging.hasRoomFor(1) || this.commit();
  }

  #entryOf(object: StoredObject, index: PageIndex): { cell: number; word: number } {
    const cell = object.table.find(index);
    return { cell, word: this.#staging.index.slab.word(cell) };
  }

  #moved(location: number | undefined, bytes: number): boolean {
    if (location !== undefined) this.#staging.moveTombstone(location, bytes);
    return location !== undefined;
  }
}
