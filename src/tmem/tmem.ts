/**
 * Transcendent memory of one shard: clients, their pools, and the batch that their verbs share.
 *
 * Only what preswap needs is here: private persistent pools. A client names a page by a handle (pool, object,
 * index); what it may rely on are the rules R1-R41 of the reference, which the tests of this folder cite.
 */
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Address, PageIndex } from '../base/ids.js';
import type { PageMemory } from '../base/page-memory.js';
import { EXPORTS_PER_GUEST_MAX } from '../base/shard-port.js';
import type { Engine } from '../engine/engine.js';
import type { StoredObject } from '../engine/stored-object.js';
import { decodePoolName, encodePoolName, type ObjectId } from './names.js';
import { isSupported } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import { TmemClient } from './tmem-client.js';
import { liesIn, TmemPool } from './tmem-pool.js';

export class Tmem {
  readonly clients: Map<string, TmemClient> = new Map();
  readonly #engine: Engine;
  readonly #memory: PageMemory;
  // What the staged batch leaves to be done when its outcome is known.
  readonly #staged: TmemPool[] = [];
  readonly #touched: { pool: TmemPool; id: ObjectId }[] = [];
  readonly #retired: { pool: TmemPool; id: ObjectId; object: StoredObject }[] = [];
  readonly #puts: { pool: TmemPool; id: ObjectId; index: PageIndex }[] = [];

  /** Finds the pools that the engine has recovered, each with its client. */
  constructor(engine: Engine, memory: PageMemory) {
    this.#engine = engine;
    this.#memory = memory;
    for (const stored of [...engine.pools].toSorted((a, b) => a.number - b.number)) {
      const name = decodePoolName(stored.name);
      if (name === undefined) continue;
      const client = this.client(name.client);
      const id = lowestFreeId(client);
      client.pools[id] = new TmemPool(this, engine, client, id, name.pool, stored);
    }
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

  /** @returns the pool's id, 0 or more (R3); else why not */
  createPool(client: TmemClient, name: string, flags: number): number {
    if (client.frozen) return TmemStatus.frozen;
    if (!isSupported(flags)) return TmemStatus.notPermitted;
    const id = lowestFreeId(client);
    if (id >= EXPORTS_PER_GUEST_MAX) return TmemStatus.notPermitted;
    const stored = this.#engine.createPool(encodePoolName({ client: client.name, pool: name }));
    client.pools[id] = new TmemPool(this, this.#engine, client, id, name, stored);
    return id;
  }

  poolNamed(client: TmemClient, name: string): TmemPool | undefined {
    return client.pools.find((pool) => pool?.name === name);
  }

  /** Every page of the pool is gone at once, for good, and its id is free (R7). Commits. `missing` if there is no such pool (R6). */
  destroyPool(client: TmemClient, id: number): TmemStatus {
    const pool = client.pools[id];
    if (pool === undefined) return TmemStatus.missing;
    this.commit();
    if (pool.pages > 0) {
      this.#engine.flushPool(pool.stored);
      if (this.#engine.commit() !== CommitOutcome.done) return TmemStatus.noSpace;
    }
    for (const object of pool.stored.objects) this.#engine.forgetObject(object);
    this.#engine.pools.delete(pool.stored);
    client.pools[id] = undefined;
    return TmemStatus.done;
  }

  /** The client is dead: its pools go, persistent ones included (R9). */
  removeClient(client: TmemClient): TmemStatus {
    for (let id = 0; id < client.pools.length; id++) {
      if (this.destroyPool(client, id) === TmemStatus.noSpace) return TmemStatus.noSpace;
    }
    this.clients.delete(client.name);
    return TmemStatus.done;
  }

  // The verbs by client and pool id, as the ABI has them: R6 for a pool that was never made.

  put(client: TmemClient, pool: number, id: ObjectId, index: PageIndex, from: Address): TmemStatus {
    return client.pools[pool]?.put(id, index, from) ?? TmemStatus.noDevice;
  }

  get(client: TmemClient, pool: number, id: ObjectId, index: PageIndex, to: Address): TmemStatus {
    return client.pools[pool]?.get(id, index, to) ?? TmemStatus.noDevice;
  }

  flushPage(client: TmemClient, pool: number, id: ObjectId, index: PageIndex): TmemStatus {
    return client.pools[pool]?.flushPage(id, index) ?? TmemStatus.noDevice;
  }

  flushObject(client: TmemClient, pool: number, id: ObjectId): TmemStatus {
    return client.pools[pool]?.flushObject(id) ?? TmemStatus.noDevice;
  }

  /**
   * Makes the staged verbs durable. Unless that is done, no put of them happened, each counts as refused, and what
   * `put` was to overwrite is flushed (R15), while `replace` has left everything as it was.
   *
   * @throws when the arena takes no writes at all
   */
  commit(): CommitOutcome {
    const outcome = this.#engine.commit();
    const done = outcome === CommitOutcome.done;
    for (const pool of this.#staged) {
      if (done) pool.statistics.putsDone += pool.stagedPuts;
      else if (outcome === CommitOutcome.fault) pool.statistics.putsFailed += pool.stagedPuts;
      pool.stagedPuts = 0;
    }
    if (done) for (const { object } of this.#retired) this.#engine.forgetObject(object);
    else this.#undo();
    for (const { pool, id } of this.#touched) pool.forgetIfEmpty(id);
    this.#staged.length = this.#touched.length = this.#retired.length = this.#puts.length = 0;
    return outcome;
  }

  /** See {@link Engine.catchUp}. */
  catchUp(): void {
    this.#engine.catchUp();
  }

  // What pools report of the staged batch.

  isPage(at: Address): boolean {
    return liesIn(this.#memory.bytes.length, at);
  }

  hasStaged(pool: TmemPool): void {
    this.#staged.push(pool);
  }

  touched(pool: TmemPool, id: ObjectId): void {
    const last = this.#touched.at(-1);
    if (last === undefined || last.pool !== pool || last.id !== id) this.#touched.push({ pool, id });
  }

  retired(pool: TmemPool, id: ObjectId, object: StoredObject): void {
    this.#retired.push({ pool, id, object });
  }

  stagedPut(pool: TmemPool, id: ObjectId, index: PageIndex): void {
    this.#puts.push({ pool, id, index });
  }

  /** The batch failed, but for what of it was committed early. What it has to leave flushed is a batch of its own. */
  #undo(): void {
    const gone = this.#restoreRetired();
    for (const object of gone) this.#engine.flushObject(object);
    // What the failed puts were to replace must not be read again.
    for (const { pool, id, index } of this.#puts) pool.flushPage(id, index);
    if (this.#engine.commit() !== CommitOutcome.done)
      throw new Error('the arena takes no writes: a refused put leaves old data behind');
    for (const object of gone) this.#engine.forgetObject(object);
  }

  /**
   * The last one first, so that of several objects that had one id the oldest stays. One whose flush was committed
   * early is gone: its number is spent.
   *
   * @returns objects that were in the place of others
   */
  #restoreRetired(): StoredObject[] {
    const gone: StoredObject[] = [];
    for (const { pool, id, object } of this.#retired.toReversed()) {
      const inPlace = object.isSpent ? object : pool.restore(id, object);
      if (inPlace === undefined) continue;
      if (inPlace.pages > 0) gone.push(inPlace);
      else this.#engine.forgetObject(inPlace);
    }
    return gone;
  }
}

function lowestFreeId(client: TmemClient): number {
  const free = client.pools.findIndex((pool) => pool === undefined);
  return free === -1 ? client.pools.length : free;
}
