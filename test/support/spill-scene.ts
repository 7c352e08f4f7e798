/** A store of 1 MiB, and pools with a spill file each, whose calls end when a test says so. */
import assert from 'node:assert/strict';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { FetchedPage } from '../../src/base/elsewhere.js';
import { pageIndex } from '../../src/base/ids.js';
import { seededPrng } from '../../src/base/prng.js';
import type { SegmentFiles } from '../../src/base/segment-files.js';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import { MemorySpillFile, type SpillCall, type SpillFault } from '../../src/tier/memory-spill-file.js';
import { PERSISTENT_PRIVATE } from '../../src/tmem/pool-attributes.js';
import { TmemStatus } from '../../src/tmem/status.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { openSmallStore, pageAt, pageOf, type SmallStore, writeVersion } from './small-store.js';

export const SECOND_US = 1e6;

/** Pages do not compress, and are of one object, number 0. */
export class SpillScene {
  readonly segments: SegmentFiles;
  readonly store: SmallStore;
  readonly files: MemorySpillFile[] = [];
  #nowUs = 0;

  /** Recovers what is in `segments`, if anything. */
  constructor(segments: SegmentFiles = new MemorySegmentFiles()) {
    this.segments = segments;
    this.store = openSmallStore(segments, { capacityBytes: MIB });
  }

  /** The guest's pool as it was recovered, or a new one. @param file - that it had before */
  pool(guest: string, file: MemorySpillFile = new MemorySpillFile(seededPrng(1))): TmemPool {
    const { tmem } = this.store;
    const client = tmem.client(guest);
    const pool = tmem.poolNamed(client, 'swap') ?? client.pools[tmem.createPool(client, 'swap', PERSISTENT_PRIVATE)];
    assert.ok(pool !== undefined);
    this.files.push(file);
    tmem.spillTo(pool, file);
    return pool;
  }

  put(pool: TmemPool, page: number, version: number = page + 1): TmemStatus {
    const { kernel, source, tmem } = this.store;
    writeVersion(kernel, source, version, 'random');
    const status = pool.replace(0n, pageIndex(page), source);
    assert.equal(tmem.commit(), CommitOutcome.done);
    tmem.catchUp();
    return status;
  }

  flush(pool: TmemPool, page: number): void {
    pool.flushPage(0n, pageIndex(page));
    assert.equal(this.store.tmem.commit(), CommitOutcome.done);
  }

  /** Calls under way, of all files. */
  get calls(): SpillCall[] {
    return this.files.flatMap(({ waiting }) => [...waiting]);
  }

  /** Until no call is under way. */
  settle(fault?: SpillFault): void {
    for (let calls = this.calls; calls.length > 0; calls = this.calls) for (const call of calls) call.end(fault);
  }

  tick(us: number = SECOND_US / 20): void {
    this.#nowUs += us;
    this.store.tmem.tick(this.#nowUs);
  }

  requireVersion(pool: TmemPool, page: number, version: number = page + 1): void {
    const { kernel, source, target } = this.store;
    while (pool.get(0n, pageIndex(page), target) === TmemStatus.elsewhere) {
      const fetched = this.fetch(pool, page);
      this.settle();
      assert.notEqual(fetched.state, 'damaged');
      if (fetched.state === 'here') kernel.bytes.set(fetched.bytes, target);
      const isHere = fetched.state === 'here';
      fetched.release();
      if (isHere) break;
    }
    assert.ok(pageAt(kernel, target) === pageOf(kernel, source, version, 'random'), `page ${page}`);
  }

  /** Of a page that is away. */
  fetch(pool: TmemPool, page: number): FetchedPage {
    return pool.fetch(0n, pageIndex(page), () => {});
  }

  isAway(pool: TmemPool, page: number): boolean {
    return pool.isAway(0n, pageIndex(page));
  }

  /** Puts pages until some of them have to leave. @returns how many there are */
  fill(pool: TmemPool): number {
    let pages = 0;
    while (this.calls.length === 0) assert.equal(this.put(pool, pages++), TmemStatus.done);
    return pages;
  }

  /** The slot of the file that holds the page of this version: -1 where none does. */
  slotWith(file: MemorySpillFile, version: number): number {
    const { kernel, source } = this.store;
    const page = Buffer.from(pageOf(kernel, source, version, 'random'), 'latin1');
    for (let slot = 0; slot < file.pagesFound; slot++) {
      if (page.equals(file.bytes.subarray(slot * PAGE_BYTES, (slot + 1) * PAGE_BYTES))) return slot;
    }
    return -1;
  }
}
