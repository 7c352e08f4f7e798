/** The store that is compared, as small as it is, with its pools, their spill files and what a client reads of them. */
import assert from 'node:assert/strict';
import type { Address, PageIndex } from '../../src/base/ids.js';
import type { Prng } from '../../src/base/prng.js';
import { KIB } from '../../src/base/units.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Kernel } from '../../src/engine/kernel.js';
import { TmemStatus } from '../../src/tmem/status.js';
import type { Tmem } from '../../src/tmem/tmem.js';
import type { TmemClient } from '../../src/tmem/tmem-client.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { poolIn, POOLS, textureOf } from './compared-pools.js';
import { ComparedSpills } from './compared-spills.js';
import { FailingFiles } from './failing-files.js';
import { openSmallStore, pageAt, pageOf, type SmallStore } from './small-store.js';

export const CAPACITY_BYTES: number = 448 * KIB;

/** Between two ticks: what failed is tried again after a second. */
const TICK_US_MAX = 1e6;

const FETCHES_MAX = 100;

/** Pools are known by their place in {@link POOLS}. */
export class ComparedStore {
  readonly files: FailingFiles = new FailingFiles();
  readonly spills: ComparedSpills;
  readonly #prng: Prng;
  #store: SmallStore;
  /** Those that spill, or share, as their kind has it. */
  readonly #equipped = new WeakSet<TmemPool>();
  #nowUs = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.spills = new ComparedSpills(prng);
    this.#store = this.#open();
  }

  get tmem(): Tmem {
    return this.#store.tmem;
  }

  get engine(): Engine {
    return this.#store.engine;
  }

  get kernel(): Kernel {
    return this.#store.kernel;
  }

  /** Of a page to be put. */
  get source(): Address {
    return this.#store.source;
  }

  /** The process dies between batches. What was recovered has its files again before anything else happens. */
  restart(): void {
    this.spills.die();
    this.#store = this.#open();
    for (const which of POOLS.keys()) this.pool(which);
  }

  tick(): void {
    this.tmem.tick((this.#nowUs += this.#prng.below(TICK_US_MAX)));
  }

  /** After a put that may succeed later. Between batches. */
  waitForRoom(): void {
    let isTold = false;
    this.tmem.waitForRoom(() => (isTold = true));
    this.tick();
    assert.ok(isTold, 'who waits for room is told to try again');
  }

  /** As it is now; made where it is not there. */
  pool(which: number): TmemPool {
    const kind = POOLS[which]!;
    const pool = poolIn(this.tmem, kind);
    if (this.#equipped.has(pool)) return pool;
    this.#equipped.add(pool);
    if (kind.spills) this.spills.attach(this.tmem, which, pool);
    if (kind.domain !== undefined) this.tmem.shareWithin(pool, kind.domain);
    return pool;
  }

  /** One of those that have the pool. */
  client(which: number): TmemClient {
    const { clients } = POOLS[which]!;
    return this.tmem.client(clients[this.#prng.below(clients.length)]!);
  }

  /** Waits for a page that is away: between batches, then. */
  read(which: number, object: bigint, index: PageIndex): string | undefined {
    const { kernel, target } = this.#store;
    const pool = this.pool(which);
    for (let fetches = 0; fetches < FETCHES_MAX; fetches++) {
      const status = pool.get(object, index, target, this.client(which));
      if (status === TmemStatus.missing) return undefined;
      if (status === TmemStatus.done) return pageAt(kernel, target);
      assert.equal(status, TmemStatus.elsewhere);
      const page = this.spills.fetchNow(pool, object, index);
      if (page !== undefined) return page;
    }
    throw new Error(`page ${index} of ${pool.name} never arrives`);
  }

  pageOf(version: number | undefined): string | undefined {
    if (version === undefined) return undefined;
    return pageOf(this.kernel, this.source, version, textureOf(version));
  }

  #open(): SmallStore {
    return openSmallStore(this.files, { capacityBytes: CAPACITY_BYTES });
  }
}
