/**
 * A private persistent pool: what is put stays until it is flushed, replaced, or its pool or client is gone (R12).
 *
 * Verbs take effect within the batch at once and for good with {@link Tmem.commit}, before which no client may be
 * told of them. Pages are addresses in the kernel's memory; a put copies from there, a get copies to there, and both
 * are done with the address when they return (R10, R14).
 *
 * @hot One call a page. Objects are found by id, the last one at once.
 */
import { type Address, type PageIndex } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import { type Engine, GetOutcome, PutOutcome } from '../engine/engine.js';
import type { StoredObject, StoredPool } from '../engine/stored-object.js';
import { decodeObjectId, encodeObjectId, type ObjectId } from './names.js';
import { TmemStatus } from './status.js';
import type { Tmem } from './tmem.js';
import type { TmemClient } from './tmem-client.js';

/** Counters only grow; informational, never decided by. */
export interface PoolStatistics {
  puts: number;
  putsDone: number;
  /** Puts that had room and were lost, because the files failed their batch for another reason than room. */
  putsFailed: number;
  /** Fresh puts that were refused because the client was frozen (R20). */
  putsFrozen: number;
  /** Duplicate puts that were refused, so that the old page was flushed as well (R15). */
  duplicatesFlushed: number;
  gets: number;
  getsHit: number;
  /** Pages flushed one by one, and objects or ranges flushed whole. */
  flushes: number;
  verifyFailures: number;
}

export class TmemPool {
  /** The client's name for it: the lowest free number when it was made (R4). */
  readonly id: number;
  readonly name: string;
  readonly client: TmemClient;
  readonly statistics: PoolStatistics = {
    puts: 0,
    putsDone: 0,
    putsFailed: 0,
    putsFrozen: 0,
    duplicatesFlushed: 0,
    gets: 0,
    getsHit: 0,
    flushes: 0,
    verifyFailures: 0,
  };
  /** Puts of the staged batch: done when it is committed. */
  stagedPuts = 0;
  readonly stored: StoredPool;
  readonly #tmem: Tmem;
  readonly #engine: Engine;
  readonly #objects = new Map<ObjectId, StoredObject>();
  #lastId: ObjectId | undefined;
  #last: StoredObject | undefined;

  constructor(tmem: Tmem, engine: Engine, client: TmemClient, id: number, name: string, stored: StoredPool) {
    this.#tmem = tmem;
    this.#engine = engine;
    this.client = client;
    this.id = id;
    this.name = name;
    this.stored = stored;
    for (const object of stored.objects) this.#objects.set(decodeObjectId(object.name), object);
  }

  get pages(): number {
    return this.stored.pages;
  }

  get objects(): number {
    return this.#objects.size;
  }

  /**
   * Stores a copy of the page. Refused, it answers `noMemory`; refused as a duplicate `noSpace`, and then the old page
   * is flushed too: old data never stays behind a put (R15). `fault` counts as refused (R22). A fresh put of a frozen
   * client is `frozen` (R20).
   */
  put(id: ObjectId, index: PageIndex, from: Address): TmemStatus {
    const isPage = this.#tmem.isPage(from);
    // Refused ones too: if the batch fails, what they flush is to be flushed again.
    this.#tmem.stagedPut(this, id, index);
    if (this.client.frozen && this.#isFresh(id, index)) return TmemStatus.frozen;
    if (isPage && this.#store(id, index, from)) return TmemStatus.done;
    const object = this.#objectOf(id);
    if (object === undefined || !this.#engine.flushPage(object, index)) {
      return isPage ? TmemStatus.noMemory : TmemStatus.fault;
    }
    this.statistics.duplicatesFlushed++;
    this.#tmem.touched(this, id);
    return isPage ? TmemStatus.noSpace : TmemStatus.fault;
  }

  /**
   * As put, but all or nothing: refused, it answers `noSpace` and the old page stays. For block faces, whose clients
   * never agreed to lose a page because another one was written.
   */
  replace(id: ObjectId, index: PageIndex, from: Address): TmemStatus {
    if (this.client.frozen && this.#isFresh(id, index)) return TmemStatus.frozen;
    return this.#store(id, index, from) ? TmemStatus.done : TmemStatus.noSpace;
  }

  /** Copies the page to `to`, which needs 64 bytes of slack behind it; a miss leaves it untouched (R26). Keeps the page (R28). */
  get(id: ObjectId, index: PageIndex, to: Address): TmemStatus {
    this.statistics.gets++;
    const object = this.#objectOf(id);
    if (object === undefined) return TmemStatus.missing;
    const outcome = this.#engine.get(object, index, to);
    if (outcome === GetOutcome.miss) return TmemStatus.missing;
    if (outcome === GetOutcome.damaged) {
      this.statistics.verifyFailures++;
      return TmemStatus.damaged;
    }
    this.statistics.getsHit++;
    return TmemStatus.done;
  }

  /** Flushing what is not there is success (R35). Never refused: of a frozen client it is done and answers `frozen` (R36). */
  flushPage(id: ObjectId, index: PageIndex): TmemStatus {
    return this.flushRange(id, index, 1);
  }

  /** Pages `[first, first + count)`. */
  flushRange(id: ObjectId, first: PageIndex, count: number): TmemStatus {
    this.statistics.flushes++;
    const answer = this.client.frozen ? TmemStatus.frozen : TmemStatus.done;
    const object = this.#objectOf(id);
    if (object === undefined) return answer;
    if (count === 1) this.#engine.flushPage(object, first);
    else this.#engine.flushRange(object, first, count);
    this.#tmem.touched(this, id);
    return answer;
  }

  /** Every page of the object. */
  flushObject(id: ObjectId): TmemStatus {
    this.statistics.flushes++;
    const answer = this.client.frozen ? TmemStatus.frozen : TmemStatus.done;
    const object = this.#objectOf(id);
    if (object === undefined) return answer;
    this.#engine.flushObject(object);
    // Its number is spent: whatever is put under this id from now on is another object.
    this.#setObject(id, undefined);
    this.#tmem.retired(this, id, object);
    return answer;
  }

  has(id: ObjectId, index: PageIndex): boolean {
    const object = this.#objectOf(id);
    return object !== undefined && this.#engine.has(object, index);
  }

  /** First page in `[first, end)` whose being stored differs from that of `first`; `end` if there is none. */
  endOfRun(id: ObjectId, first: number, end: number): number {
    const object = this.#objectOf(id);
    return object === undefined ? end : this.#engine.endOfRun(object, first, end);
  }

  /** An object that has lost its last page disappears (R37); so does one whose first page was refused (R23). */
  forgetIfEmpty(id: ObjectId): void {
    const object = this.#objectOf(id);
    if (object === undefined || object.pages > 0) return;
    this.#engine.forgetObject(object);
    this.#setObject(id, undefined);
  }

  /** The batch that flushed the object failed: it is there as before. @returns what was in its place */
  restore(id: ObjectId, object: StoredObject): StoredObject | undefined {
    const inPlace = this.#objectOf(id);
    this.#setObject(id, object);
    return inPlace;
  }

  /** Of a put of a frozen client, which is counted and goes no further if so. */
  #isFresh(id: ObjectId, index: PageIndex): boolean {
    if (this.has(id, index)) return false;
    this.statistics.puts++;
    this.statistics.putsFrozen++;
    return true;
  }

  #store(id: ObjectId, index: PageIndex, from: Address): boolean {
    this.statistics.puts++;
    let object = this.#objectOf(id);
    if (object === undefined) {
      object = this.#engine.createObject(this.stored, encodeObjectId(id));
      this.#setObject(id, object);
      this.#tmem.touched(this, id);
    }
    if (this.#engine.put(object, index, from, this.client.roomOf(this)) !== PutOutcome.stored) return false;
    if (this.stagedPuts++ === 0) this.#tmem.hasStaged(this);
    return true;
  }

  #objectOf(id: ObjectId): StoredObject | undefined {
    if (id === this.#lastId) return this.#last;
    this.#lastId = id;
    return (this.#last = this.#objects.get(id));
  }

  #setObject(id: ObjectId, object: StoredObject | undefined): void {
    this.#lastId = id;
    this.#last = object;
    if (object === undefined) this.#objects.delete(id);
    else this.#objects.set(id, object);
  }
}

/** Addresses are the shell's; a client's number is a page only if all of it lies in memory. */
export function liesIn(memoryBytes: number, at: Address): boolean {
  return at >= 0 && at + PAGE_BYTES <= memoryBytes;
}
