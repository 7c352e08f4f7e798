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
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import { Crash, CrashingSegmentFiles } from '../../src/io/crashing-segment-files.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import { BATCH_PAGES_MAX, isFatalFault, PAGES, SEGMENT_BYTES, SimulatedLife } from './simulated-life.js';
import { isEphemeral, SHARINGS, type Sharing, type Store, type Version } from './simulated-store.js';

const SEGMENTS = 6;
const LIVES = 4;
const OPERATIONS_PER_LIFE = 60;

/** What a page may be after a crash: any of these. One entry when nothing is under way. */
type Promise = Version[];

export interface SimulationCounts {
  crashes: number;
  crashesInRecovery: number;
  refusedBatches: number;
  droppedRecords: number;
  fullPuts: number;
  /** At the ends of lives. */
  sharedPages: number;
}

export function simulate(seed: number, counts: SimulationCounts): void {
  new Simulation(seed, counts).run();
}

class Simulation {
  readonly #prng: Prng;
  readonly #counts: SimulationCounts;
  readonly #sharing: Sharing;
  readonly #disk = new MemorySegmentFiles();
  readonly #promises: Promise[] = Array.from({ length: PAGES }, () => [0]);
  /** Of the staged batch, by page: what it becomes, one after the other, as the batch is written. */
  readonly #staged = new Map<number, Version[]>();
  #version = 0;

  constructor(seed: number, counts: SimulationCounts) {
    this.#prng = seededPrng(seed);
    this.#counts = counts;
    this.#sharing = SHARINGS[this.#prng.below(SHARINGS.length)]!;
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
      const life = new SimulatedLife(files, this.#prng, SEGMENTS, this.#sharing);
      this.#counts.droppedRecords += life.droppedRecords;
      recovering = false;
      const { store } = life;
      this.#verifyAll(life);
      const verbs = {
        put: (page: number) => this.#put(life, page),
        verify: (page: number) => this.#verify(life, page),
        commit: () => this.#commit(store),
        flush: (first: number, count: number, stage: () => void) => {
          stage();
          for (let page = first; page < first + count; page++) this.#stage(page, 0);
        },
      };
      for (let operation = 0; operation < OPERATIONS_PER_LIFE; operation++) life.operate(verbs);
      this.#commit(store);
      this.#verifyAll(life);
      for (const pool of store.engine.pools) this.#counts.sharedPages += pool.sharedPages;
      assert.ok(store.engine.segments.occupiedBytes <= SEGMENTS * SEGMENT_BYTES, 'the capacity is never exceeded');
      if (this.#prng.below(2) === 0) store.engine.close();
      return false;
    } catch (error) {
      if (error instanceof Crash) {
        this.#counts.crashes++;
        if (recovering) this.#counts.crashesInRecovery++;
        return true;
      }
      if (faults > 0 && isFatalFault(error)) return true;
      throw error;
    }
  }

  /** What was staged may have happened, wholly or from its start. */
  #die(): void {
    for (const [page, versions] of this.#staged) this.#promises[page]!.push(...versions);
    this.#staged.clear();
  }

  #put(life: SimulatedLife, page: number): void {
    if (this.#staged.size >= BATCH_PAGES_MAX) this.#commit(life.store);
    const version = ++this.#version;
    if (life.put(page, version)) this.#stage(page, version);
    else this.#counts.fullPuts++;
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

  #verifyAll(life: SimulatedLife): void {
    for (let page = 0; page < PAGES; page++) this.#verify(life, page);
  }

  #verify(life: SimulatedLife, page: number): void {
    const staged = this.#staged.get(page)?.slice(-1);
    const found = life.read(page, staged ?? this.#promises[page]!);
    // What one read has shown, the next must show too.
    if (staged === undefined) this.#promises[page] = [found];
  }
}
