/**
 * A pool and its verbs. What is put into a persistent pool stays until it is flushed, replaced, or its pool or client
 * is gone (R12); what is put into an ephemeral one may vanish at any time (R13).
 *
 * Verbs take effect within the batch at once and for good with {@link Tmem.commit}, before which no client may be
 * told of them. Pages are addresses in the kernel's memory; a put copies from there, a get copies to there, and both
 * are done with the address when they return (R10, R14). `by` is the client that asks: of a shared pool any of its
 * members, of a private one its owner.
 *
 * @hot One call a page.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import type { FetchedPage } from '../base/elsewhere.js';
import { type Address, type PageIndex } from '../base/ids.js';
import type { Engine } from '../engine/engine.js';
import { GetOutcome } from '../engine/get-outcome.js';
import { PutOutcome } from '../engine/put-outcome.js';
import type { StoredObject, StoredPool } from '../engine/stored-object.js';
import type { EntryTable } from '../evict/entry-table.js';
import type { EvictionOrder } from '../evict/eviction-order.js';
import type { EvictablePool, Eviction } from './eviction.js';
import { decodeObjectId, type ObjectId } from './names.js';
import type { PoolAttributes } from './pool-attributes.js';
import { PoolObjects } from './pool-objects.js';
import { PoolOrder } from './pool-order.js';
import type { PoolSpill } from './pool-spill.js';
import { noStatistics, type PoolStatistics } from './pool-statistics.js';
import type { Spiller } from './spiller.js';
import { TmemStatus } from './status.js';
import type { ChangedPool, TmemBatch } from './tmem-batch.js';
import type { TmemClient } from './tmem-client.js';

/** That a client has the pool, under one of its pool ids. */
export interface Membership {
  readonly client: TmemClient;
  readonly id: number;
}

/** What a pool stands on. */
export interface PoolGround {
  readonly engine: Engine;
  readonly batch: TmemBatch;
  readonly eviction: Eviction;
  /** What orders know of pages, by the cell of the page's entry in the engine's index. */
  readonly entries: EntryTable;
  readonly spiller: Spiller;
  /** Whether a whole page lies at this address. */
  readonly isPage: (at: Address) => boolean;
}

export class TmemPool implements ChangedPool, EvictablePool {
  readonly name: string;
  readonly attributes: PoolAttributes;
  readonly stored: StoredPool;
  readonly statistics: PoolStatistics = noStatistics();
  /** The first is the owner; only a shared pool has others (R59, R63). */
  readonly members: Membership[];
  /** Where its pages may go, if anywhere: persistent pools alone have one. */
  spill: PoolSpill | undefined;
  /** Puts of the staged batch: done when it is committed. */
  stagedPuts = 0;
  /** In which the pages leave; only of an ephemeral pool. */
  readonly #order: PoolOrder | undefined;
  readonly #ground: PoolGround;
  readonly #engine: Engine;
  readonly #batch: TmemBatch;
  readonly #objects: PoolObjects;
  /** Of a shared pool: who put or got a page of the object last, and takes it along when leaving (R62). */
  readonly #lastUsers = new Map<StoredObject, TmemClient>();

  constructor(
    ground: PoolGround,
    options: {
      readonly name: string;
      readonly attributes: PoolAttributes;
      readonly stored: StoredPool;
      readonly owner: Membership;
      readonly order: EvictionOrder | undefined;
    },
  ) {
    this.#ground = ground;
    this.#engine = ground.engine;
    this.#batch = ground.batch;
    this.name = options.name;
    this.attributes = options.attributes;
    this.stored = options.stored;
    this.members = [options.owner];
    this.#order = options.order && new PoolOrder(ground.engine, ground.entries, options.order);
    this.#objects = new PoolObjects(ground.engine, options.stored);
    if (options.order !== undefined) ground.eviction.add(this, options.order);
  }

  get owner(): TmemClient {
    return this.members[0]!.client;
  }

  /** The owner's number for it. */
  get id(): number {
    return this.members[0]!.id;
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
   * client is `frozen` (R20), every duplicate one of a migrating client is refused (R21).
   */
  put(id: ObjectId, index: PageIndex, from: Address, by: TmemClient = this.owner): TmemStatus {
    const isPage = this.#ground.isPage(from);
    // Refused ones too: if the batch fails, what they flush is to be flushed again.
    this.#batch.put(this, id, index, false);
    if (by.frozen && this.#isFresh(id, index)) return TmemStatus.frozen;
    const mayStore = isPage && !(by.migrating && this.has(id, index));
    if (mayStore && this.#put(id, index, from, by) === PutOutcome.stored) return TmemStatus.done;
    if (!isPage) this.statistics.putsFaulty++;
    const object = this.#objects.find(id);
    if (object === undefined || !this.#engine.has(object, index))
      return isPage ? TmemStatus.noMemory : TmemStatus.fault;
    this.#drop(object, index);
    this.statistics.duplicatesFlushed++;
    this.#batch.touched(this, id);
    return isPage ? TmemStatus.noSpace : TmemStatus.fault;
  }

  /**
   * As put, but all or nothing: refused, it answers `noSpace` and the old page stays; `later` where pages are leaving the
   * store to make room. For block faces, whose clients never agreed to lose a page because another one was written.
   */
  replace(id: ObjectId, index: PageIndex, from: Address, by: TmemClient = this.owner): TmemStatus {
    if (by.frozen && this.#isFresh(id, index)) return TmemStatus.frozen;
    if (by.migrating && this.has(id, index)) return TmemStatus.noSpace;
    if (this.#order !== undefined) this.#batch.put(this, id, index, true);
    const outcome = this.#put(id, index, from, by);
    if (outcome === PutOutcome.stored) return TmemStatus.done;
    const isOver = outcome === PutOutcome.over;
    if (!this.#ground.spiller.mayMakeRoom(this, isOver)) return TmemStatus.noSpace;
    // It will be asked again, and counted then.
    this.statistics.puts--;
    if (isOver) this.statistics.putsOverCap--;
    else this.statistics.putsNoMemory--;
    return TmemStatus.later;
  }

  /**
   * Copies the page to `to`, which needs 64 bytes of slack behind it; a miss leaves it untouched (R26). Takes the page out
   * of a destructive pool (R27), after it was copied (R32); keeps it in any other (R28). `elsewhere` counts as no get: the
   * page has to be fetched, and got then.
   */
  get(id: ObjectId, index: PageIndex, to: Address, by: TmemClient = this.owner): TmemStatus {
    const object = this.#objects.find(id);
    const outcome = object === undefined ? GetOutcome.miss : this.#engine.get(object, index, to);
    if (outcome === GetOutcome.elsewhere) return TmemStatus.elsewhere;
    this.statistics.gets++;
    if (object === undefined || outcome === GetOutcome.miss) {
      this.#order?.miss(id, index);
      return TmemStatus.missing;
    }
    if (outcome === GetOutcome.damaged) return this.#damaged(id, object, index);
    this.statistics.getsHit++;
    if (this.#order !== undefined) this.#found(this.#order, id, object, index, by);
    return TmemStatus.done;
  }

  /** Flushing what is not there is success (R35). Never refused: of a frozen client it is done and answers `frozen` (R36). */
  flushPage(id: ObjectId, index: PageIndex, by: TmemClient = this.owner): TmemStatus {
    return this.flushRange(id, index, 1, by);
  }

  /** Pages `[first, first + count)`. */
  flushRange(id: ObjectId, first: PageIndex, count: number, by: TmemClient = this.owner): TmemStatus {
    this.statistics.flushes++;
    const answer = by.frozen ? TmemStatus.frozen : TmemStatus.done;
    const object = this.#objects.find(id);
    if (object === undefined) return answer;
    if (count === 1) this.#drop(object, first);
    else {
      this.#order?.forget(object, first, count);
      this.#engine.flushRange(object, first, count);
    }
    this.#batch.touched(this, id);
    return answer;
  }

  /** Every page of the object. */
  flushObject(id: ObjectId, by: TmemClient = this.owner): TmemStatus {
    this.statistics.objectFlushes++;
    const answer = by.frozen ? TmemStatus.frozen : TmemStatus.done;
    const object = this.#objects.find(id);
    if (object === undefined) return answer;
    this.#order?.forget(object, 0, INDEX_COUNT);
    this.#engine.flushObject(object);
    // Its number is spent: whatever is put under this id from now on is another object.
    this.#objects.set(id, undefined);
    this.#lastUsers.delete(object);
    this.#batch.retired(this, id, object);
    return answer;
  }

  has(id: ObjectId, index: PageIndex): boolean {
    const object = this.#objects.find(id);
    return object !== undefined && this.#engine.has(object, index);
  }

  /** First page in `[first, end)` whose being stored differs from that of `first`; `end` if there is none. */
  endOfRun(id: ObjectId, first: number, end: number): number {
    const object = this.#objects.find(id);
    return object === undefined ? end : this.#engine.endOfRun(object, first, end);
  }

  /** Whether the page has to be fetched before it can be got. */
  isAway(id: ObjectId, index: PageIndex): boolean {
    const object = this.#objects.find(id);
    return object !== undefined && this.spill?.isAway(object, index) === true;
  }

  /** Of a page that is away. See {@link Elsewhere.fetch}. */
  fetch(id: ObjectId, index: PageIndex, arrived: () => void): FetchedPage {
    const object = this.#objects.find(id);
    assert(object !== undefined && this.spill !== undefined, 'what is fetched is elsewhere');
    return this.spill.fetch(object, index, arrived);
  }

  /** A member leaves a shared pool that has others: the objects that it used last go with it (R62). */
  leave(membership: Membership): void {
    const at = this.members.findIndex(({ client, id }) => client === membership.client && id === membership.id);
    this.members.splice(at, 1);
    if (this.members.some(({ client }) => client === membership.client)) return;
    for (const [object, user] of this.#lastUsers) {
      if (user === membership.client) this.flushObject(decodeObjectId(object.name), this.owner);
    }
  }

  /** All its pages, of all its objects; its number in the arena is spent. To be committed. */
  flushAll(): void {
    for (const [, object] of this.#objects) this.#order?.forget(object, 0, INDEX_COUNT);
    if (this.pages > 0) this.#engine.flushPool(this.stored);
  }

  /** It is empty and nobody has it any more. */
  forget(): void {
    for (const object of this.stored.objects) this.#engine.forgetObject(object);
    this.#engine.pools.delete(this.stored);
    this.#ground.eviction.remove(this);
    if (this.spill !== undefined) this.#ground.spiller.remove(this.spill);
  }

  evicted(object: StoredObject, index: PageIndex): void {
    this.statistics.evicted++;
    this.#engine.flushPage(object, index);
    this.#batch.touched(this, decodeObjectId(object.name));
  }

  // What the batch asks.

  endPuts(outcome: CommitOutcome): void {
    if (outcome === CommitOutcome.done) this.statistics.putsDone += this.stagedPuts;
    else if (outcome === CommitOutcome.fault) this.statistics.putsFailed += this.stagedPuts;
    this.stagedPuts = 0;
  }

  welcome(id: ObjectId, index: PageIndex): void {
    this.#order?.welcome(id, this.#objects.find(id), index);
  }

  flushOld(id: ObjectId, index: PageIndex): void {
    const object = this.#objects.find(id);
    if (object === undefined) return;
    this.#drop(object, index);
    this.#batch.touched(this, id);
  }

  forgetIfEmpty(id: ObjectId): void {
    const object = this.#objects.find(id);
    if (object?.pages === 0) this.#lastUsers.delete(object);
    this.#objects.forgetIfEmpty(id);
  }

  restore(id: ObjectId, object: StoredObject): StoredObject | undefined {
    const inPlace = this.#objects.find(id);
    this.#objects.set(id, object);
    return inPlace;
  }

  /** What a get leaves behind in an ephemeral pool. */
  #found(order: PoolOrder, id: ObjectId, object: StoredObject, index: PageIndex, by: TmemClient): void {
    if (this.attributes.isShared) this.#lastUsers.set(object, by);
    if (this.attributes.isInclusive) return order.hit(object, index);
    order.take(object, index);
    this.#engine.flushPage(object, index);
    this.#batch.touched(this, id);
  }

  #put(id: ObjectId, index: PageIndex, from: Address, by: TmemClient): PutOutcome {
    const { statistics } = this;
    statistics.puts++;
    let object = this.#objects.find(id);
    if (object === undefined) {
      object = this.#objects.make(id);
      this.#batch.touched(this, id);
    }
    this.#ground.eviction.makeRoom(by.claims);
    const room = this.attributes.isPersistent ? this.owner.roomOf(this) : Infinity;
    const outcome = this.#engine.put(object, index, from, room);
    if (outcome === PutOutcome.over) statistics.putsOverCap++;
    if (outcome === PutOutcome.full) statistics.putsNoMemory++;
    if (outcome !== PutOutcome.stored) return outcome;
    if (this.#engine.lastPutReplaced) statistics.duplicatesReplaced++;
    if (this.attributes.isShared) this.#lastUsers.set(object, by);
    if (this.stagedPuts++ === 0) this.#batch.hasPutsOf(this);
    return outcome;
  }

  /** Of a put of a frozen client, which is counted and goes no further if so. */
  #isFresh(id: ObjectId, index: PageIndex): boolean {
    if (this.has(id, index)) return false;
    this.statistics.puts++;
    this.statistics.putsFrozen++;
    return true;
  }

  /** What was ephemeral may as well be gone: and then it must be, or a later get would find what this one missed (R40). */
  #damaged(id: ObjectId, object: StoredObject, index: PageIndex): TmemStatus {
    this.statistics.verifyFailures++;
    if (this.attributes.isPersistent) return TmemStatus.damaged;
    this.#drop(object, index);
    this.#batch.touched(this, id);
    return TmemStatus.missing;
  }

  #drop(object: StoredObject, index: PageIndex): void {
    this.#order?.forget(object, index, 1);
    this.#engine.flushPage(object, index);
  }
}

/** Every index of an object. */
const INDEX_COUNT = 2 ** 32;
