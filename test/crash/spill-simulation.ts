/**
 * The crash simulator of the way out: a store too small for its pages, two spill files, and every order of what ends when.
 *
 * Pools are driven through tmem with puts, flushes and gets, while pages leave for their spill files and come back. The
 * simulator decides when each read, write and sync of a spill file ends, whether it fails, and when the store's own files
 * die or the power is lost, at which everything that was under way is there or not, or in part. After each death every
 * page is compared with what was promised. On tmpfs that is exact; after a power loss a page may be any that it was since
 * the last flush that was answered.
 */
import { strict as assert } from 'node:assert';
import { AssertionError } from '../../src/base/assert.js';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { FetchedPage } from '../../src/base/elsewhere.js';
import { systemCode } from '../../src/base/errors.js';
import { type Address, address, pageIndex } from '../../src/base/ids.js';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import type { Engine } from '../../src/engine/engine.js';
import { type Kernel, loadKernel } from '../../src/engine/kernel.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { Crash, CrashingSegmentFiles } from '../../src/io/crashing-segment-files.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import { PowerLossFiles } from '../../src/io/power-loss-files.js';
import { MemorySpillFile, type SpillFault } from '../../src/tier/memory-spill-file.js';
import { PERSISTENT_PRIVATE } from '../../src/tmem/pool-attributes.js';
import { TmemStatus } from '../../src/tmem/status.js';
import { Tmem } from '../../src/tmem/tmem.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { fillPage, type Version } from './simulated-store.js';

const SEGMENT_BYTES = 32_768;
const POOLS = 2;
const PAGES_PER_POOL = 60;
const PAGES: number = POOLS * PAGES_PER_POOL;
const LIVES = 4;
const OPERATIONS_PER_LIFE_MAX = 300;
const BATCH_PAGES_MAX = 3;
const TICK_US = 50_000;

export interface SpillCounts {
  crashes: number;
  powerLosses: number;
  pagesOut: number;
  pagesBack: number;
  fetched: number;
  /** Pages that changed while they were being fetched. */
  gone: number;
  later: number;
  refused: number;
  faults: number;
  refusedBatches: number;
  /** Pages found spilled by a new life. */
  recovered: number;
  emptied: number;
}

export function simulateSpill(seed: number, counts: SpillCounts): void {
  new Simulation(seed, counts).run();
}

let sharedKernel: Kernel | undefined;

interface Held {
  readonly page: number;
  fetched?: FetchedPage;
  hasArrived: boolean;
}

interface Life {
  readonly engine: Engine;
  readonly tmem: Tmem;
  readonly pools: readonly TmemPool[];
}

class Simulation {
  readonly #prng: Prng;
  readonly #counts: SpillCounts;
  readonly #onDisk: boolean;
  readonly #disk: MemorySegmentFiles | PowerLossFiles;
  readonly #spills: readonly MemorySpillFile[];
  readonly #segments: number;
  readonly #kernel: Kernel;
  /** What was committed of each page since the last flush, oldest first. The last is what it is, unless the power is lost. */
  readonly #history: Version[][] = Array.from({ length: PAGES }, () => [0]);
  /** What a refused batch would have made of them: only a power loss brings it back. */
  readonly #refused: Version[][] = Array.from({ length: PAGES }, () => []);
  /** Of batches that a death has cut: they may have happened. */
  readonly #underWay: Version[][] = Array.from({ length: PAGES }, () => []);
  /** Since the store was opened last. */
  #lostPower = false;
  readonly #staged = new Map<number, Version[]>();
  readonly #held: Held[] = [];
  #faultsLeft = 0;
  #version = 0;
  #nowUs = 0;
  #isRefusing = false;
  #page: Address = address(0);
  #expected: Address = address(0);

  constructor(seed: number, counts: SpillCounts) {
    this.#prng = seededPrng(seed);
    this.#counts = counts;
    this.#onDisk = this.#prng.below(2) === 0;
    this.#disk = this.#onDisk ? new PowerLossFiles(this.#prng) : new MemorySegmentFiles();
    this.#spills = Array.from({ length: POOLS }, () => new MemorySpillFile(this.#prng, { losesPower: this.#onDisk }));
    this.#segments = 7 + this.#prng.below(5) + (this.#onDisk ? 3 : 0);
    this.#kernel = sharedKernel ??= loadKernel({ memoryBytes: 2 * 1024 * 1024 });
  }

  run(): void {
    for (let lives = 1 + this.#prng.below(LIVES); lives > 0; lives--) {
      this.#live(false);
      this.#die();
    }
    this.#live(true);
  }

  #die(): void {
    for (const spill of this.#spills) spill.crash();
    this.#held.length = 0;
    for (const [page, versions] of this.#staged) this.#underWay[page]!.push(...versions);
    this.#staged.clear();
    if (!(this.#disk instanceof PowerLossFiles)) return;
    this.#disk.forgetSync();
    if (this.#prng.below(2) === 0) return;
    this.#counts.powerLosses++;
    this.#disk.losePower();
    for (const spill of this.#spills) spill.losePower();
    this.#lostPower = true;
  }

  #live(isPeaceful: boolean): void {
    const changes = isPeaceful ? Infinity : this.#prng.below(400);
    const faults = !isPeaceful && this.#prng.below(4) === 0 ? 10 + this.#prng.below(40) : 0;
    this.#faultsLeft = isPeaceful ? 0 : this.#prng.below(6);
    const files = new CrashingSegmentFiles(this.#disk, this.#prng, changes, faults);
    this.#isRefusing = false;
    for (const spill of this.#spills)
      spill.roomPages = this.#prng.below(4) === 0 && !isPeaceful ? 5 + this.#prng.below(40) : Infinity;
    try {
      const life = this.#open(files);
      this.#settle(life);
      const operations = this.#prng.below(OPERATIONS_PER_LIFE_MAX);
      for (let operation = 0; operation < operations; operation++) this.#operate(life);
      this.#commit(life);
      this.#endSync();
      for (let page = 0; page < PAGES; page++) this.#requireNow(life, page);
      this.#count(life);
    } catch (error) {
      if (error instanceof Crash) {
        this.#counts.crashes++;
        return;
      }
      const isFault =
        systemCode(error) !== undefined || (error instanceof Error && systemCode(error.cause) !== undefined);
      if (faults > 0 && isFault && !(error instanceof AssertionError)) return;
      throw error;
    }
  }

  #open(files: CrashingSegmentFiles): Life {
    this.#kernel.reset();
    this.#page = this.#kernel.allocate(4096);
    this.#expected = this.#kernel.allocate(4096);
    const { engine } = openEngine(this.#kernel, files, {
      segmentBytes: SEGMENT_BYTES,
      capacityBytes: this.#segments * SEGMENT_BYTES,
      arena: { low: 1, high: 2 },
    });
    const tmem = new Tmem(engine, this.#kernel);
    const pools = this.#spills.map((spill, n) => {
      const client = tmem.client(`vm${n}`);
      const pool = tmem.poolNamed(client, 'swap') ?? client.pools[tmem.createPool(client, 'swap', PERSISTENT_PRIVATE)];
      assert.ok(pool !== undefined, 'a client has room for a pool');
      this.#counts.recovered += pool.stored.spilledPages;
      const slots = tmem.slotsEnd(pool);
      tmem.spillTo(pool, spill);
      assert.ok(slots <= spill.pagesFound, `a mark names slot ${slots - 1} of a file of ${spill.pagesFound} pages`);
      return pool;
    });
    return { engine, tmem, pools };
  }

  /** Which of what they may be the pages are: from now on that is what they are. */
  #settle(life: Life): void {
    for (const [page, versions] of this.#history.entries()) {
      const lost = this.#lostPower ? [...versions, ...this.#refused[page]!] : [];
      const found = this.#read(life, page, [versions.at(-1)!, ...this.#underWay[page]!, ...lost]);
      this.#history[page] = [found];
      this.#refused[page] = [];
      this.#underWay[page] = [];
    }
    this.#lostPower = false;
  }

  #operate(life: Life): void {
    const page = this.#prng.below(PAGES);
    switch (this.#prng.below(20)) {
      case 0:
      case 1:
        return this.#flush(life, page, 1);
      case 2:
        if (this.#prng.below(8) === 0)
          this.#flush(life, page, 1 + this.#prng.below(PAGES_PER_POOL - (page % PAGES_PER_POOL)));
        break;
      case 3:
        this.#commit(life);
        life.tmem.catchUp();
        break;
      case 4:
        this.#commit(life);
        this.#nowUs += TICK_US * (1 + this.#prng.below(30));
        life.tmem.tick(this.#nowUs);
        life.engine.maintain(0.1, this.#prng.below(2) === 0);
        break;
      case 5:
        this.#cap(life, page);
        break;
      case 6:
      case 7:
        this.#get(life, page);
        break;
      case 8:
        this.#releaseOne();
        break;
      case 9:
        if (this.#prng.below(4) === 0) this.#sync(life);
        this.#endSync();
        break;
      case 10:
      case 11:
      case 12:
      case 13:
        this.#commit(life);
        this.#endCall();
        break;
      default:
        this.#put(life, page);
    }
  }

  #put(life: Life, page: number): void {
    this.#makeWay(life);
    const version = ++this.#version;
    fillPage(this.#kernel, this.#page, page, version);
    const pool = life.pools[Math.floor(page / PAGES_PER_POOL)]!;
    const status = pool.replace(0n, pageIndex(page % PAGES_PER_POOL), this.#page);
    if (status === TmemStatus.done) return this.#stage(page, version);
    if (status === TmemStatus.later) {
      this.#counts.later++;
      this.#commit(life);
      let isResumed = false;
      life.tmem.waitForRoom(() => (isResumed = true));
      this.#nowUs += TICK_US;
      life.tmem.tick(this.#nowUs);
      assert.ok(isResumed, 'who waits for room is told to try again');
      return;
    }
    assert.equal(status, TmemStatus.noSpace);
    this.#counts.refused++;
  }

  #flush(life: Life, page: number, count: number): void {
    this.#makeWay(life);
    const pool = life.pools[Math.floor(page / PAGES_PER_POOL)]!;
    assert.equal(pool.flushRange(0n, pageIndex(page % PAGES_PER_POOL), count), TmemStatus.done);
    for (let at = page; at < page + count; at++) this.#stage(at, 0);
  }

  #stage(page: number, version: Version): void {
    const versions = this.#staged.get(page) ?? [];
    versions.push(version);
    this.#staged.set(page, versions);
  }

  /** A disk may have to be waited for before a batch begins. */
  #makeWay(life: Life): void {
    if (this.#staged.size >= BATCH_PAGES_MAX) this.#commit(life);
    if (this.#staged.size > 0 || this.#isRefusing) return;
    for (let waits = 0; life.engine.durability?.mustWait(() => {}) === true; waits++) {
      assert.ok(waits < 100, 'room comes in the end');
      this.#endSync();
    }
  }

  #get(life: Life, page: number): void {
    this.#commit(life);
    const pool = life.pools[Math.floor(page / PAGES_PER_POOL)]!;
    const index = pageIndex(page % PAGES_PER_POOL);
    if (!pool.isAway(0n, index)) return this.#requireNow(life, page);
    const held: Held = { page, hasArrived: false };
    held.fetched = pool.fetch(0n, index, () => {
      held.hasArrived = true;
      if (held.fetched?.state === 'gone') this.#counts.gone++;
    });
    this.#held.push(held);
  }

  /** What has arrived is the page as it is now, or says that it is not. */
  #releaseOne(): void {
    if (this.#held.length === 0) return;
    // Those that are under way too, now and then.
    const arrived = this.#held.findIndex(({ hasArrived }) => hasArrived);
    const at = arrived === -1 || this.#prng.below(4) === 0 ? this.#prng.below(this.#held.length) : arrived;
    const [taken] = this.#held.splice(at, 1);
    if (taken?.fetched === undefined) return;
    const { page, fetched } = taken;
    assert.notEqual(fetched.state, 'damaged', `page ${page} comes back as it went`);
    if (fetched.state === 'here') {
      this.#counts.fetched++;
      this.#requireVersion(page, fetched.bytes, this.#history[page]!.at(-1)!);
    }
    fetched.release();
  }

  #cap(life: Life, page: number): void {
    const { owner } = life.pools[Math.floor(page / PAGES_PER_POOL)]!;
    owner.capBytes = this.#prng.below(3) === 0 ? 20_000 + this.#prng.below(80_000) : Infinity;
  }

  #commit(life: Life): void {
    const outcome = life.tmem.commit();
    for (const [page, versions] of this.#staged) {
      if (outcome === CommitOutcome.done) this.#history[page]!.push(...versions);
      else if (!this.#isRefusing) this.#refused[page]!.push(...versions);
    }
    if (outcome !== CommitOutcome.done) this.#counts.refusedBatches++;
    this.#staged.clear();
  }

  /** From its end on, what was committed before its beginning outlives a power loss. */
  #sync(life: Life): void {
    this.#commit(life);
    const lengths = this.#history.map(({ length }) => length);
    const histories = this.#history.map((versions) => versions);
    life.engine.durability?.sync((outcome) => {
      if (outcome !== CommitOutcome.done) return;
      // Of another life there is nothing to be told any more.
      for (const [page, versions] of histories.entries()) {
        if (versions === this.#history[page]) this.#history[page] = versions.slice(lengths[page]! - 1);
      }
    });
  }

  #endSync(): void {
    if (!(this.#disk instanceof PowerLossFiles) || !this.#disk.isSyncing) return;
    this.#disk.endSync('done');
  }

  #endCall(): void {
    const calls = this.#spills.flatMap(({ waiting }) => [...waiting]);
    if (calls.length === 0) return;
    const call = calls[this.#prng.below(calls.length)]!;
    let fault: SpillFault | undefined;
    if (this.#faultsLeft > 0 && this.#prng.below(10) === 0) {
      this.#faultsLeft--;
      this.#counts.faults++;
      fault = call.kind === 'write' && this.#prng.below(2) === 0 ? 'ENOSPC' : 'EIO';
    }
    if (call.kind === 'empty') this.#counts.emptied++;
    call.end(fault);
  }

  #requireNow(life: Life, page: number): void {
    this.#read(life, page, [this.#history[page]!.at(-1)!]);
  }

  /** Fetched if need be. @returns which of these the page is */
  #read(life: Life, page: number, allowed: readonly Version[]): Version {
    const pool = life.pools[Math.floor(page / PAGES_PER_POOL)]!;
    const index = pageIndex(page % PAGES_PER_POOL);
    for (let tries = 0; tries < 50; tries++) {
      const status = pool.get(0n, index, this.#page);
      if (status !== TmemStatus.elsewhere) {
        assert.notEqual(status, TmemStatus.damaged, `page ${page} is damaged`);
        const bytes = this.#kernel.bytes.subarray(this.#page, this.#page + 4096);
        return this.#versionOf(page, status === TmemStatus.missing ? undefined : bytes, allowed);
      }
      const fetched = pool.fetch(0n, index, () => {});
      for (let calls = 0; fetched.state === 'coming'; calls++) {
        assert.ok(calls < 1000, 'what is read arrives');
        this.#endCall();
      }
      assert.notEqual(fetched.state, 'damaged', `page ${page} does not come back as it went`);
      const found = fetched.state === 'here' ? this.#versionOf(page, fetched.bytes, allowed) : undefined;
      fetched.release();
      if (found !== undefined) return found;
    }
    throw new Error(`page ${page} never arrives`);
  }

  #versionOf(page: number, bytes: Uint8Array | undefined, allowed: readonly Version[]): Version {
    const found = allowed.find((version) => this.#isVersion(page, bytes, version));
    assert.ok(
      found !== undefined,
      `page ${page} is none of ${allowed.join(', ')}: ${bytes === undefined ? 'missing' : 'another'}`,
    );
    return found;
  }

  #requireVersion(page: number, bytes: Uint8Array, version: Version): void {
    assert.ok(this.#isVersion(page, bytes, version), `page ${page} is not version ${version}`);
  }

  #isVersion(page: number, bytes: Uint8Array | undefined, version: Version): boolean {
    if (version === 0 || bytes === undefined) return version === 0 && bytes === undefined;
    fillPage(this.#kernel, this.#expected, page, version);
    return Buffer.compare(bytes, this.#kernel.bytes.subarray(this.#expected, this.#expected + 4096)) === 0;
  }

  #count({ pools }: Life): void {
    for (const { spill } of pools) {
      this.#counts.pagesOut += spill?.pagesOut ?? 0;
      this.#counts.pagesBack += spill?.pagesBack ?? 0;
    }
  }
}
