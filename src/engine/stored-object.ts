/**
 * What the engine keeps for each pool and each object (never for each page). The layer above names them; the engine
 * knows numbers, page tables and sums.
 */
import { assert } from '../base/assert.js';
import { type ObjectNumber, type PoolNumber } from '../base/ids.js';
import type { ContentDomain } from './contents.js';
import type { PageSlab } from './page-slab.js';
import { PageTable } from './page-table.js';

/** Longest pool name plus object name, so that a name record is small beside the pages it names. */
export const NAME_BYTES_MAX = 448;

/**
 * Objects of ephemeral pools are numbered from here on. Their pages end with the process that stored them: recovery
 * passes over records with such numbers, and so they need no names, no tombstones, and no number that is never used again.
 */
export const EPHEMERAL_NUMBERS: number = 2 ** 31;

/** Who has the slots of a pool's spill file. */
export interface SlotOwner {
  /** No mark names the slot any more. On a disk that holds after the next sync. */
  release(slot: number): void;
}

/** The first byte of the name of a domain's contents: no name that the layer above gives begins so. */
const CONTENTS_MARK = 0;

/** Of the pool that the contents of a domain are in. */
export function contentsName(domain: string): Uint8Array {
  const name = Uint8Array.from([CONTENTS_MARK, ...new TextEncoder().encode(domain)]);
  assert(name.length + 2 <= NAME_BYTES_MAX, 'names of domains are short');
  return name;
}

export class StoredPool {
  readonly number: PoolNumber;
  /** As the layer above encodes it: opaque here, written to the arena, handed back at recovery. */
  readonly name: Uint8Array;
  readonly isPersistent: boolean;
  readonly objects: Set<StoredObject> = new Set();
  pages = 0;
  sameFilledPages = 0;
  /** Pages that did not compress and are stored as they are (R76: "poor"). */
  rawPages = 0;
  /** Pages of which the store has only a mark. */
  spilledPages = 0;
  /** Pages of which there is a content that others may have as well. */
  sharedPages = 0;
  /** There where pages are shared. */
  domain: ContentDomain | undefined;
  /** There where pages may leave the store. */
  slots: SlotOwner | undefined;
  /** Bytes of records, what the pool is charged (R77); of a shared page all that is stored of it. */
  storedBytes = 0;
  /** What the staged batch would add to `storedBytes`; below 0 when it frees. */
  pendingBytes = 0;

  constructor(number: PoolNumber, name: Uint8Array, isPersistent: boolean = true) {
    this.number = number;
    this.name = name;
    this.isPersistent = isPersistent;
  }

  /** Whether it is the engine's own: its pages are contents of a domain, and no client knows them. */
  get isContents(): boolean {
    return this.name[0] === CONTENTS_MARK;
  }
}

export class StoredObject {
  readonly number: ObjectNumber;
  /** Only {@link StoredObject.identify} changes these. */
  pool: StoredPool;
  name: Uint8Array;
  readonly table: PageTable;
  pages = 0;
  /** Generation of the newest segment that holds this object's name record; 0 for none. */
  namedIn = 0;
  /** It was flushed as a whole: its tombstone would take what is put under its number from now on. */
  isSpent = false;

  constructor(number: ObjectNumber, pool: StoredPool, name: Uint8Array, slab: PageSlab) {
    this.number = number;
    this.pool = pool;
    this.name = name;
    this.table = new PageTable(slab, number);
  }

  /** During recovery: the name was found after pages of the object, which stood in a pool of their own until now. */
  identify(pool: StoredPool, name: Uint8Array): void {
    pool.pages += this.pool.pages;
    pool.sameFilledPages += this.pool.sameFilledPages;
    pool.rawPages += this.pool.rawPages;
    pool.spilledPages += this.pool.spilledPages;
    pool.sharedPages += this.pool.sharedPages;
    pool.storedBytes += this.pool.storedBytes;
    pool.objects.add(this);
    this.pool = pool;
    this.name = name;
  }
}
