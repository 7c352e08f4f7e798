/**
 * Transcendent memory of one shard: clients, their pools, and the batch that their verbs share.
 *
 * A client names a page by a handle (pool, object, index). Pools are persistent or ephemeral, private or shared; what
 * a client may rely on are the rules R1-R67 of the reference, which the tests of this folder cite.
 */
import { assert } from '../base/assert.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Address, PageIndex } from '../base/ids.js';
import type { PageMemory } from '../base/page-memory.js';
import { EXPORTS_PER_GUEST_MAX } from '../base/shard-port.js';
import type { SpillFile } from '../base/spill-file.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Engine } from '../engine/engine.js';
import type { VictimPolicy } from '../evict/claimant.js';
import { EntryTable } from '../evict/entry-table.js';
import type { EvictionOrder } from '../evict/eviction-order.js';
import { MarginalValue } from '../evict/marginal-value.js';
import { WTinyLfu } from '../evict/w-tinylfu.js';
import { XS3 } from '../evict/x-s3.js';
import { Eviction } from './eviction.js';
import { decodePoolName, encodePoolName, type ObjectId } from './names.js';
import { attributesOf, PERSISTENT_PRIVATE, type PoolAttributes } from './pool-attributes.js';
import { SharedPools } from './shared-pools.js';
import { Spiller, type SpillProgress } from './spiller.js';
import { TmemStatus } from './status.js';
import { TmemBatch } from './tmem-batch.js';
import { AUTHORISATIONS_MAX, TmemClient } from './tmem-client.js';
import { type Membership, type PoolGround, TmemPool } from './tmem-pool.js';

export interface PoolWishes {
  /** Of a shared pool. */
  readonly uuid?: bigint;
  /** Gets keep the pages of a private ephemeral pool. */
  readonly inclusive?: boolean;
}

export class Tmem {
  readonly clients: Map<string, TmemClient> = new Map();
  readonly shared: SharedPools = new SharedPools();
  readonly #engine: Engine;
  readonly #ground: PoolGround;
  readonly #entries = new EntryTable();
  readonly #spiller: Spiller;

  /**
   * Finds the pools that the engine has recovered, each with its client. `victims` chooses, from what orders know of
   * pages, whose page goes when room is needed: by marginal value unless another policy is asked for.
   */
  constructor(engine: Engine, memory: PageMemory, victims?: (entries: EntryTable) => VictimPolicy) {
    this.#engine = engine;
    const batch = new TmemBatch(engine);
    const scratch = memory.allocate(PAGE_BYTES);
    this.#spiller = new Spiller({ engine, memory, scratch, commit: () => batch.commit() });
    this.#ground = {
      engine,
      batch,
      spiller: this.#spiller,
      eviction: new Eviction(
        engine,
        victims?.(this.#entries) ?? new MarginalValue(this.#entries, engine.segments.capacityBytes),
      ),
      entries: this.#entries,
      isPage: (at) => at >= 0 && at + PAGE_BYTES <= memory.bytes.length,
    };
    const attributes = attributesOf(PERSISTENT_PRIVATE, false)!;
    for (const stored of [...engine.pools].toSorted((a, b) => a.number - b.number)) {
      const name = decodePoolName(stored.name);
      if (name === undefined) continue;
      const client = this.client(name.client);
      const owner = { client, id: client.freeId };
      client.pools[owner.id] = this.#pool(name.pool, attributes, owner, stored);
    }
  }

  /** See {@link Engine.durability}. */
  get durability(): Durability | undefined {
    return this.#engine.durability;
  }

  /** The client of that name; made if it is new (R5). */
  client(name: string): TmemClient {
    let client = this.clients.get(name);
    if (client === undefined) {
      client = new TmemClient(name);
      this.clients.set(name, client);
    }
    return client;
  }

  /**
   * Makes a pool, or joins the shared one of that uuid (R59); a private ephemeral one where the client may not (R60).
   *
   * @returns the pool's id, 0 or more (R3); else why not
   */
  createPool(client: TmemClient, name: string, flags: number, { uuid, inclusive = false }: PoolWishes = {}): number {
    if (client.frozen) return TmemStatus.frozen;
    const wanted = attributesOf(flags, inclusive);
    const id = client.freeId;
    if (wanted === undefined || id >= EXPORTS_PER_GUEST_MAX) return TmemStatus.notPermitted;
    const owner = { client, id };
    if (!wanted.isShared) {
      client.pools[id] = this.#newPool(name, wanted, owner);
    } else if (uuid === undefined || !this.shared.mayJoin(client, uuid)) {
      client.pools[id] = this.#newPool(name, { ...wanted, isShared: false, isInclusive: inclusive }, owner);
    } else {
      client.pools[id] = this.#join(uuid, name, wanted, owner);
    }
    return id;
  }

  poolNamed(client: TmemClient, name: string): TmemPool | undefined {
    return client.pools.find((pool) => pool?.name === name);
  }

  /**
   * The client's pool is no more: every page of a private one is gone at once, for good, and its id is free (R7). A
   * shared one is left (R62, R63), and goes with its last member (R64). Commits. `missing` if there is no such pool (R6),
   * `notPermitted` while the client of a private one migrates (R8).
   */
  destroyPool(client: TmemClient, id: number): TmemStatus {
    const pool = client.pools[id];
    if (pool === undefined) return TmemStatus.missing;
    if (client.migrating && !pool.attributes.isShared) return TmemStatus.notPermitted;
    this.commit();
    const isLast = pool.members.length === 1;
    if (isLast) pool.flushAll();
    else pool.leave({ client, id });
    if (this.commit() !== CommitOutcome.done) return TmemStatus.noSpace;
    if (isLast) {
      pool.forget();
      this.shared.forget(pool);
    }
    client.pools[id] = undefined;
    return TmemStatus.done;
  }

  /** The client is dead: its pools go, persistent ones included (R9). Refused as {@link Tmem.destroyPool} is. */
  removeClient(client: TmemClient): TmemStatus {
    for (let id = 0; id < client.pools.length; id++) {
      const status = this.destroyPool(client, id);
      if (status < TmemStatus.missing) return status;
    }
    this.clients.delete(client.name);
    return TmemStatus.done;
  }

  /** @returns false: it is authorised for as many pools as it may be (R61) */
  authorise(client: TmemClient, uuid: bigint): boolean {
    if (client.authorised.size >= AUTHORISATIONS_MAX && !client.authorised.has(uuid)) return false;
    client.authorised.add(uuid);
    return true;
  }

  /** Whoever has joined already stays a member (R61). */
  deauthorise(client: TmemClient, uuid: bigint): void {
    client.authorised.delete(uuid);
  }

  /** All clients that there are now; one that appears later is not (R67). */
  setFrozen(frozen: boolean): void {
    for (const client of this.clients.values()) client.frozen = frozen;
  }

  // The verbs by client and pool id, as the ABI has them: R6 for a pool that was never made.

  put(client: TmemClient, pool: number, id: ObjectId, index: PageIndex, from: Address): TmemStatus {
    return client.pools[pool]?.put(id, index, from, client) ?? TmemStatus.noDevice;
  }

  /** `empty`, and no get at all, of a pool that holds no page (R30). */
  get(client: TmemClient, pool: number, id: ObjectId, index: PageIndex, to: Address): TmemStatus {
    const found = client.pools[pool];
    if (found === undefined) return TmemStatus.noDevice;
    return found.pages === 0 && found.stagedPuts === 0 ? TmemStatus.empty : found.get(id, index, to, client);
  }

  flushPage(client: TmemClient, pool: number, id: ObjectId, index: PageIndex): TmemStatus {
    return client.pools[pool]?.flushPage(id, index, client) ?? TmemStatus.noDevice;
  }

  flushObject(client: TmemClient, pool: number, id: ObjectId): TmemStatus {
    return client.pools[pool]?.flushObject(id, client) ?? TmemStatus.noDevice;
  }

  /**
   * Makes the staged verbs durable, as far as their pools are persistent. See {@link TmemBatch} for what holds where that
   * fails.
   *
   * @throws when the arena takes no writes at all
   */
  commit(): CommitOutcome {
    return this.#ground.batch.commit();
  }

  /** See {@link Engine.catchUp}. Sends pages on their way out, if the store is nearly full. */
  catchUp(): void {
    this.#engine.catchUp();
    this.#spiller.pump();
  }

  /**
   * Pages of the pool are in the file that it had in a former life, up to this slot; 0 if there are none. O(its pages), if
   * any is.
   */
  slotsEnd(pool: TmemPool): number {
    return this.#engine.spilling.slotsEnd(pool.stored);
  }

  /** From now on pages of a persistent pool may leave for this file, which has those that left it in a former life. */
  spillTo(pool: TmemPool, file: SpillFile): void {
    assert(pool.attributes.isPersistent && pool.spill === undefined, 'a persistent pool has one spill file');
    pool.spill = this.#spiller.add(pool, file);
  }

  /**
   * From now on what is put into a persistent pool shares its memory with equal pages of this trust domain (R78, R81), and
   * its owner is charged as if it did not; null: with none. It does not spill then.
   */
  shareWithin(pool: TmemPool, domain: string | null): void {
    assert(pool.attributes.isPersistent, 'ephemeral pages are not shared');
    this.#engine.shareWithin(pool.stored, domain);
  }

  /** Before the arena is closed: nothing leaves or comes back any more. */
  closeSpills(): void {
    this.#spiller.close();
  }

  get spillProgress(): SpillProgress {
    return this.#spiller;
  }

  /** See {@link Spiller.waitForRoom}. */
  waitForRoom(resume: () => void): void {
    this.#spiller.waitForRoom(resume);
  }

  /** A few times a second: what failed or had nothing to do is tried again. */
  tick(nowUs: number): void {
    this.#spiller.tick(nowUs);
  }

  /** Bytes that the host can have back at once: ephemeral pages, and segments that hold nothing (R52). */
  get freeableBytes(): number {
    return this.#ground.eviction.evictableBytes + this.#engine.spareBytes;
  }

  /** What the next page that {@link Tmem.relinquish} would give up is worth; Infinity where there is none. */
  get victimPrice(): number {
    return this.#ground.eviction.price;
  }

  /** Has `told` called when pages go for lack of room. */
  set onShort(told: () => void) {
    this.#ground.eviction.onShort = told;
  }

  /** What the client holds of bytes that may be asked back. */
  heldBytesOf(client: TmemClient): number {
    return this.#ground.eviction.heldBytesOf(client.claims);
  }

  /**
   * Gives up ephemeral pages until they add up to `bytes` as stored, or none is left (R53, R56). Commits. Persistent pages
   * that have a spill file leave for the rest, in the time that takes. Files follow as cleaning empties them: see
   * {@link Engine.maintain}.
   *
   * @returns bytes of the pages given up
   */
  relinquish(bytes: number): number {
    let given = 0;
    for (let page = 1; given < bytes && page > 0; given += page) page = this.#ground.eviction.evictPage(null);
    this.commit();
    if (given < bytes) this.#spiller.demand(bytes - given);
    return given;
  }

  /** The index, what the orders know of pages, and the slots of spill files. */
  get metadataBytes(): number {
    const { eviction, spiller } = this.#ground;
    return this.#engine.metadataBytes + this.#entries.bytes + eviction.metadataBytes + spiller.metadataBytes;
  }

  #join(uuid: bigint, name: string, attributes: PoolAttributes, member: Membership): TmemPool {
    const found = this.shared.find(uuid);
    if (found === undefined) {
      const made = this.#newPool(name, attributes, member);
      this.shared.add(uuid, made);
      return made;
    }
    found.members.push(member);
    return found;
  }

  #newPool(name: string, attributes: PoolAttributes, owner: Membership): TmemPool {
    const { isPersistent } = attributes;
    const encoded = encodePoolName(
      { client: owner.client.name, pool: name },
      isPersistent ? 'persistent' : 'ephemeral',
    );
    return this.#pool(name, attributes, owner, this.#engine.createPool(encoded, isPersistent));
  }

  #pool(name: string, attributes: PoolAttributes, owner: Membership, stored: TmemPool['stored']): TmemPool {
    return new TmemPool(this.#ground, { name, attributes, stored, owner, order: this.#orderFor(attributes) });
  }

  /** Where a get takes the page, what comes back was wanted again; where it leaves it, how often tells. */
  #orderFor({ isPersistent, isInclusive }: PoolAttributes): EvictionOrder | undefined {
    if (isPersistent) return undefined;
    return isInclusive ? new WTinyLfu(this.#entries) : new XS3(this.#entries);
  }
}
