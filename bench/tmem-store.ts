import { CommitOutcome } from '../src/base/commit-outcome.js';
import { type Address, address, type PageIndex, pageIndex } from '../src/base/ids.js';
import { MIB, PAGE_BYTES } from '../src/base/units.js';
import type { Engine } from '../src/engine/engine.js';
import { type Kernel, loadKernel } from '../src/engine/kernel.js';
import { openEngine, segmentBytesFor } from '../src/engine/open-engine.js';
import { RealSegmentFiles } from '../src/io/real-segment-files.js';
import type { TmemClient } from '../src/tmem/tmem-client.js';
import type { TmemPool } from '../src/tmem/tmem-pool.js';
import { type PoolWishes, Tmem } from '../src/tmem/tmem.js';

/** Bytes behind the page that a get may write to. */
const SLACK_BYTES = 64;

/** The store in process as a shard has it, tmem's rules over the engine, with one client. */
export class TmemStore {
  readonly engine: Engine;
  readonly tmem: Tmem;
  readonly client: TmemClient;
  readonly #files: RealSegmentFiles;
  readonly #kernel: Kernel;
  readonly #pages: Buffer;
  readonly #page: Address;
  #puts = 0;

  /** @param pages - what is put, one after another */
  constructor(folder: string, capacityBytes: number, pages: Buffer) {
    this.#kernel = loadKernel({ memoryBytes: 4 * MIB });
    this.#files = new RealSegmentFiles(folder);
    const { engine } = openEngine(this.#kernel, this.#files, {
      segmentBytes: segmentBytesFor(capacityBytes),
      capacityBytes,
      arena: { low: 1, high: 2 },
    });
    this.engine = engine;
    this.tmem = new Tmem(engine, this.#kernel);
    this.client = this.tmem.client('guest');
    this.#pages = pages;
    this.#page = address(this.#kernel.allocate(PAGE_BYTES + SLACK_BYTES));
  }

  /** The pool of that name; made where it is not there yet. */
  pool(name: string, flags: number, wishes: PoolWishes = {}): TmemPool {
    const found = this.tmem.poolNamed(this.client, name);
    const pool = found ?? this.client.pools[this.tmem.createPool(this.client, name, flags, wishes)];
    if (pool === undefined) throw new Error(`no pool ${name}`);
    return pool;
  }

  /** Stages the next page under this handle. @returns its status */
  put(pool: TmemPool, object: bigint, index: number): number {
    const from = (this.#puts++ % (this.#pages.length / PAGE_BYTES)) * PAGE_BYTES;
    this.#pages.copy(this.#kernel.bytes, this.#page, from, from + PAGE_BYTES);
    return pool.put(object, pageIndex(index), this.#page);
  }

  get(pool: TmemPool, object: bigint, index: PageIndex): number {
    return pool.get(object, index, this.#page);
  }

  /** Ends a batch, and pays for the cleaning that it owes. */
  commit(): void {
    if (this.tmem.commit() !== CommitOutcome.done) throw new Error('a batch was refused');
    this.tmem.catchUp();
  }

  /** As a kill leaves it. */
  abandon(): void {
    this.#files.close();
  }
}
