/**
 * The crash simulator: one seed is one life of an arena, with many deaths in it.
 *
 * A small store with tiny segments, so that they are cleaned and used again all the time, is driven with puts,
 * flushes and reads while its files crash: at every boundary, before it, after it, or in the middle of the write.
 * After each death the arena is recovered, sometimes dying again during that, and every page is compared with what
 * was promised: what was acknowledged is there, unless something newer was under way; nothing older, nothing of
 * another handle; and nothing at all of what was ephemeral.
 */
import { strict as assert } from 'node:assert';
import { AssertionError } from '../../src/base/assert.js';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import { systemCode } from '../../src/base/errors.js';
import { address, pageIndex } from '../../src/base/ids.js';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import { GetOutcome, PutOutcome } from '../../src/engine/engine.js';
import { type Kernel, loadKernel } from '../../src/engine/kernel.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { Crash, CrashingSegmentFiles } from '../../src/io/crashing-segment-files.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import {
  fillPage,
  isEphemeral,
  OBJECTS_PER_POOL,
  PAGES_PER_OBJECT,
  POOLS,
  Store,
  type Version,
} from './simulated-store.js';

const SEGMENT_BYTES = 32_768;
const SEGMENTS = 6;
/** Those of one more pool are ephemeral and end with each life. */
const PAGES: number = (POOLS + 1) * OBJECTS_PER_POOL * PAGES_PER_OBJECT;
const LIVES = 4;
const OPERATIONS_PER_LIFE = 60;
const BATCH_PAGES_MAX = 3;

/** What a page may be after a crash: any of these. One entry when nothing is under way. */
type Promise = Version[];

export interface SimulationCounts {
  crashes: number;
  crashesInRecovery: number;
  refusedBatches: number;
  droppedRecords: number;
  fullPuts: number;
}

export function simulate(seed: number, counts: SimulationCounts): void {
  new Simulation(seed, counts).run();
}

/** Compiling the kernel takes longer than a life. */
let sharedKernel: Kernel | undefined;

class Simulation {
  readonly #prng: Prng;
  readonly #counts: SimulationCounts;
  readonly #disk = new MemorySegmentFiles();
  readonly #promises: Promise[] = Array.from({ length: PAGES }, () => [0]);
  /** Of the staged batch, by page: what it becomes, one after the other, as the batch is written. */
  readonly #staged = new Map<number, Version[]>();
  #version = 0;
  readonly #kernel: Kernel;
  #page = address(0);
  #expected = address(0);

  constructor(seed: number, counts: SimulationCounts) {
    this.#prng = seededPrng(seed);
    this.#counts = counts;
    this.#kernel = sharedKernel ??= loadKernel({ memoryBytes: 2 * 1024 * 1024 });
  }

  run(): void {
    const lives = 1 + this.#prng.below(LIVES);
    for (let life = 0; life < lives; life++) {
      if (this.#live(life === lives - 1)) this.#die();
    }
    // The last life ends in peace, and everything is read once more.
    this.#live(true);
  }

  /** @returns whether it ended in a crash */
  #live(peaceful: boolean): boolean {
    const changes = peaceful ? Infinity : this.#prng.below(120);
    const faults = this.#prng.below(3) === 0 ? 10 + this.#prng.below(40) : 0;
    const files = new CrashingSegmentFiles(this.#disk, this.#prng, changes, faults);
    for (const page of this.#promises.keys()) if (isEphemeral(page)) this.#promises[page] = [0];
    let recovering = true;
    try {
      const store = this.#open(files);
      recovering = false;
      this.#verifyAll(store);
      for (let operation = 0; operation < OPERATIONS_PER_LIFE; operation++) this.#operate(store);
      this.#commit(store);
      this.#verifyAll(store);
      assert.ok(store.engine.occupiedBytes <= SEGMENTS * SEGMENT_BYTES, 'the capacity is never exceeded');
      if (this.#prng.below(2) === 0) store.engine.close();
      return false;
    } catch (error) {
      if (error instanceof Crash) {
        this.#counts.crashes++;
        if (recovering) this.#counts.crashesInRecovery++;
        return true;
      }
      // Files that fail even while a failure is undone: the daemon ends itself, which is a crash like any other.
      if (faults > 0 && systemCode(error) !== undefined && !(error instanceof AssertionError)) return true;
      throw error;
    }
  }

  /** What was staged may have happened, wholly or from its start. */
  #die(): void {
    for (const [page, versions] of this.#staged) this.#promises[page]!.push(...versions);
    this.#staged.clear();
  }

  #open(files: CrashingSegmentFiles): Store {
    this.#kernel.reset();
    this.#page = this.#kernel.allocate(4096);
    this.#expected = this.#kernel.allocate(4096);
    const arena = { low: 1, high: 2 };
    const { engine, recovered } = openEngine(this.#kernel, files, {
      segmentBytes: SEGMENT_BYTES,
      capacityBytes: SEGMENTS * SEGMENT_BYTES,
      arena,
    });
    this.#counts.droppedRecords += recovered.droppedRecords;
    return new Store(engine);
  }

  #operate(store: Store): void {
    const page = this.#prng.below(this.#promises.length);
    switch (this.#prng.below(16)) {
      case 0:
        return this.#flushPage(store, page);
      case 1:
        if (this.#prng.below(3) === 0) this.#flushRange(store, page);
        break;
      case 2:
        if (this.#prng.below(6) === 0) this.#flushObject(store, page);
        break;
      case 3:
        if (this.#prng.below(12) === 0) this.#flushPool(store, page);
        break;
      case 4:
        this.#commit(store);
        break;
      case 5:
        this.#commit(store);
        store.engine.catchUp();
        break;
      case 6:
        this.#commit(store);
        for (let step = this.#prng.below(4); step > 0; step--) store.engine.maintain(0.1, true);
        break;
      case 7:
      case 8:
        this.#verify(store, page);
        break;
      default:
        this.#put(store, page);
    }
  }

  #put(store: Store, page: number): void {
    // A batch that outgrows the engine's staging is committed early, in parts; servers' turns are shorter than that.
    if (this.#staged.size >= BATCH_PAGES_MAX) this.#commit(store);
    const version = ++this.#version;
    fillPage(this.#kernel, this.#page, page, version);
    const outcome = store.engine.put(store.object(page), pageIndex(page % PAGES_PER_OBJECT), this.#page);
    if (outcome === PutOutcome.stored) {
      this.#stage(page, version);
    } else {
      this.#counts.fullPuts++;
    }
  }

  #flushPage(store: Store, page: number): void {
    store.engine.flushPage(store.object(page), pageIndex(page % PAGES_PER_OBJECT));
    this.#stage(page, 0);
  }

  #flushRange(store: Store, page: number): void {
    const index = page % PAGES_PER_OBJECT;
    const count = 1 + this.#prng.below(PAGES_PER_OBJECT - index);
    store.engine.flushRange(store.object(page), pageIndex(index), count);
    for (let each = page; each < page + count; each++) this.#stage(each, 0);
  }

  /** Commits at once: what the promises say of half-done flushes of whole objects stays simple. */
  #flushObject(store: Store, page: number): void {
    this.#commit(store);
    const first = page - (page % PAGES_PER_OBJECT);
    store.engine.flushObject(store.object(page));
    for (let each = first; each < first + PAGES_PER_OBJECT; each++) this.#stage(each, 0);
    if (this.#commit(store) || isEphemeral(page)) store.forget(page);
  }

  #flushPool(store: Store, page: number): void {
    this.#commit(store);
    const perPool = OBJECTS_PER_POOL * PAGES_PER_OBJECT;
    const first = page - (page % perPool);
    store.engine.flushPool(store.object(page).pool);
    for (let each = first; each < first + perPool; each++) this.#stage(each, 0);
    if (this.#commit(store) || isEphemeral(page)) store.forgetPool(page);
  }

  #stage(page: number, version: Version): void {
    this.#staged.set(page, [...(this.#staged.get(page) ?? []), version]);
  }

  #commit(store: Store): boolean {
    if (store.engine.commit() !== CommitOutcome.done) {
      this.#counts.refusedBatches++;
      // Flushes of ephemeral pages need no write that could fail.
      for (const [page, versions] of this.#staged) {
        if (isEphemeral(page) && versions.includes(0)) this.#promises[page] = [0];
      }
      this.#staged.clear();
      return false;
    }
    for (const [page, versions] of this.#staged) this.#promises[page] = versions.slice(-1);
    this.#staged.clear();
    return true;
  }

  #verifyAll(store: Store): void {
    for (let page = 0; page < this.#promises.length; page++) this.#verify(store, page);
  }

  #verify(store: Store, page: number): void {
    const { kernel, to, expected } = { kernel: this.#kernel, to: this.#page, expected: this.#expected };
    const object = store.find(page);
    const outcome =
      object === undefined ? GetOutcome.miss : store.engine.get(object, pageIndex(page % PAGES_PER_OBJECT), to);
    assert.notEqual(outcome, GetOutcome.damaged, `page ${page} is damaged`);
    const staged = this.#staged.get(page)?.slice(-1);
    const allowed = staged ?? this.#promises[page]!;
    const found = allowed.find((version) => {
      if (version === 0 || outcome === GetOutcome.miss) return version === 0 && outcome === GetOutcome.miss;
      fillPage(kernel, expected, page, version);
      return (
        Buffer.compare(kernel.bytes.subarray(to, to + 4096), kernel.bytes.subarray(expected, expected + 4096)) === 0
      );
    });
    assert.notEqual(
      found,
      undefined,
      `page ${page} is none of ${allowed.join(', ')}: ${outcome === 1 ? 'missing' : 'other'}`,
    );
    // What one read has shown, the next must show too.
    if (staged === undefined) this.#promises[page] = [found!];
  }
}
