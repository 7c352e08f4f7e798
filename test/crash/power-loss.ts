/**
 * The crash simulator of an arena on a disk: one seed is one disk, with many lives of a store on it, and powers lost.
 *
 * As in `simulation.ts` the store dies at every boundary of its changes to the files. Here the power may go as well:
 * then any part of what was not synced is gone, sector by sector, in any order. Syncs end when they like, and once in a
 * while one fails. What was promised has two levels:
 *
 *      base ── change ── change ── change ── change ── change        acknowledged: there after any death of the process
 *                          ↑ flushed                                  and up to here after any loss of power
 *
 * What is found after the power was lost must be the store as it was at one moment, not before the last flush: not only
 * each page by itself, but all of them together.
 */
import { strict as assert } from 'node:assert';
import { AssertionError } from '../../src/base/assert.js';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { Durability } from '../../src/base/durability.js';
import { systemCode } from '../../src/base/errors.js';
import { address, pageIndex } from '../../src/base/ids.js';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import { GetOutcome, PutOutcome } from '../../src/engine/engine.js';
import { type Kernel, loadKernel } from '../../src/engine/kernel.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { Crash, CrashingSegmentFiles } from '../../src/io/crashing-segment-files.js';
import { PowerLossFiles } from '../../src/io/power-loss-files.js';
import { fillPage, OBJECTS_PER_POOL, PAGES_PER_OBJECT, POOLS, Store, type Version } from './simulated-store.js';

const SEGMENT_BYTES = 32_768;
const SEGMENTS_MIN = 6;
const SEGMENTS_MAX = 20;
const LIVES = 5;
const OPERATIONS_PER_LIFE_MAX = 200;
const BATCH_PAGES_MAX = 3;
const PAGES: number = POOLS * OBJECTS_PER_POOL * PAGES_PER_OBJECT;

/** What one record does: pages and what they become. */
type Change = readonly (readonly [page: number, version: Version])[];

/** Changes that may have happened, wholly or from their start, and nothing after them. */
interface Branch {
  /** The changes before them. */
  readonly at: number;
  readonly changes: readonly Change[];
}

export interface PowerLossCounts {
  crashes: number;
  crashesInRecovery: number;
  powerLosses: number;
  /** Power losses after which something acknowledged was gone. */
  lostSome: number;
  flushes: number;
  failedSyncs: number;
  refusedBatches: number;
  heldBatches: number;
  fullPuts: number;
  droppedRecords: number;
}

export function simulatePowerLoss(seed: number, counts: PowerLossCounts): void {
  new Simulation(seed, counts).run();
}

/** Compiling the kernel takes longer than a life. */
let sharedKernel: Kernel | undefined;

class Simulation {
  readonly #prng: Prng;
  readonly #counts: PowerLossCounts;
  readonly #disk: PowerLossFiles;
  readonly #kernel: Kernel;
  /** The store as it was last known to be, all of it on the disk, and what was done since. */
  #base: Version[] = Array.from({ length: PAGES }, () => 0);
  #changes: Change[] = [];
  #branches: Branch[] = [];
  /** So many of the changes are flushed. */
  #flushed = 0;
  #staged: Change[] = [];
  #version = 0;
  readonly #segments: number;
  /** Of how many operations one is a flush, and a sync under way ends: disks and clients differ. */
  readonly #flushEvery: number;
  readonly #syncOps: number;
  /** A sync failed in this life: nothing is taken any more. */
  #isRefusing = false;
  #page = address(0);
  #expected = address(0);

  constructor(seed: number, counts: PowerLossCounts) {
    this.#prng = seededPrng(seed);
    this.#counts = counts;
    this.#disk = new PowerLossFiles(this.#prng);
    this.#segments = SEGMENTS_MIN + this.#prng.below(SEGMENTS_MAX - SEGMENTS_MIN + 1);
    // Now and then the disk is smaller than the capacity.
    if (this.#prng.below(3) === 0) this.#disk.roomBytes = (SEGMENTS_MIN + this.#prng.below(8)) * SEGMENT_BYTES;
    this.#flushEvery = 4 + this.#prng.below(3) * 40;
    this.#syncOps = 2 + this.#prng.below(3) * 10;
    this.#kernel = sharedKernel ??= loadKernel({ memoryBytes: 2 * 1024 * 1024 });
  }

  run(): void {
    let lostPower = false;
    for (let lives = 1 + this.#prng.below(LIVES); lives > 0; lives--) {
      const died = this.#live(false, lostPower);
      lostPower = this.#end(died, lostPower);
    }
    this.#live(true, lostPower);
  }

  /** @returns whether the power is lost by the next life, which may not have begun when it is lost again */
  #end(died: 'opening' | 'living' | 'closed', lostPower: boolean): boolean {
    this.#disk.forgetSync();
    if (died === 'living' && this.#staged.length > 0)
      this.#branches.push({ at: this.#changes.length, changes: this.#staged });
    this.#staged = [];
    if (died === 'closed') this.#flushed = this.#changes.length;
    if (this.#prng.below(2) === 0) return lostPower && died === 'opening';
    this.#counts.powerLosses++;
    this.#disk.losePower();
    return true;
  }

  /** @returns how it ended */
  #live(peaceful: boolean, lostPower: boolean): 'opening' | 'living' | 'closed' {
    const changes = peaceful ? Infinity : this.#prng.below(400);
    const faults = !peaceful && this.#prng.below(3) === 0 ? 10 + this.#prng.below(40) : 0;
    const files = new CrashingSegmentFiles(this.#disk, this.#prng, changes, faults);
    let phase: 'opening' | 'living' = 'opening';
    this.#isRefusing = false;
    try {
      const store = this.#open(files);
      this.#settle(store, lostPower);
      phase = 'living';
      const operations = this.#prng.below(OPERATIONS_PER_LIFE_MAX);
      for (let operation = 0; operation < operations; operation++) this.#operate(store);
      this.#commit(store);
      this.#verifyAll(store);
      assert.ok(store.engine.occupiedBytes <= this.#segments * SEGMENT_BYTES, 'the capacity is never exceeded');
      if (this.#prng.below(3) > 0) return 'living';
      const refused = this.#isRefusing || store.engine.failedSyncs > 0;
      store.engine.close();
      return refused || faults > 0 ? 'living' : 'closed';
    } catch (error) {
      if (error instanceof Crash) {
        this.#counts.crashes++;
        if (phase === 'opening') this.#counts.crashesInRecovery++;
        return phase;
      }
      const isFault = systemCode(error) !== undefined || systemCode(causeOf(error)) !== undefined;
      if (faults > 0 && isFault && !(error instanceof AssertionError)) return phase;
      throw error;
    }
  }

  #open(files: CrashingSegmentFiles): Store {
    this.#kernel.reset();
    this.#page = this.#kernel.allocate(4096);
    this.#expected = this.#kernel.allocate(4096);
    const { engine, recovered } = openEngine(this.#kernel, files, {
      segmentBytes: SEGMENT_BYTES,
      capacityBytes: this.#segments * SEGMENT_BYTES,
      arena: { low: 1, high: 2 },
    });
    this.#counts.droppedRecords += recovered.droppedRecords;
    return new Store(engine);
  }

  /** What is there now is the one moment that the files have chosen; a start makes sure of it. */
  #settle(store: Store, lostPower: boolean): void {
    const found = this.#readAll(store);
    const { moment, states } = this.#momentOf(found, lostPower);
    assert.ok(moment !== undefined, `the store is as it was at no moment of ${states}`);
    if (moment < this.#changes.length) this.#counts.lostSome++;
    this.#base = found;
    this.#changes = [];
    this.#branches = [];
    this.#flushed = 0;
  }

  #momentOf(found: readonly Version[], lostPower: boolean): { moment: number | undefined; states: number } {
    const from = lostPower ? this.#flushed : this.#changes.length;
    const branches = this.#branches.filter(({ at }) => at >= from && (lostPower || at === this.#changes.length));
    // A batch that was refused is wiped: only a power loss can bring it back.
    const possible = lostPower ? branches : branches.slice(-1);
    const state = [...this.#base];
    let states = 0;
    let moment: number | undefined;
    for (let time = 0; time <= this.#changes.length; time++) {
      if (time > 0) apply(state, this.#changes[time - 1]!);
      if (time < from) continue;
      states++;
      if (same(state, found)) moment = time;
      for (const branch of possible.filter(({ at }) => at === time)) {
        const other = [...state];
        for (const change of branch.changes) {
          apply(other, change);
          states++;
          if (same(other, found)) moment = time;
        }
      }
    }
    return { moment, states };
  }

  #operate(store: Store): void {
    if (this.#disk.isSyncing && this.#prng.below(this.#syncOps) === 0) this.#endSync();
    if (this.#prng.below(this.#flushEvery) === 0) this.#flush(store);
    const page = this.#prng.below(PAGES);
    switch (this.#prng.below(16)) {
      case 0:
        return this.#change(store, () => {
          store.engine.flushPage(store.object(page), pageIndex(page % PAGES_PER_OBJECT));
          return [[page, 0]];
        });
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

  /** Once in a while one fails, and then there are no more. */
  #endSync(): void {
    const fails = this.#prng.below(80) === 0;
    if (fails) {
      this.#counts.failedSyncs++;
      this.#isRefusing = true;
    }
    this.#disk.endSync(fails ? 'fault' : 'done');
  }

  #flush(store: Store): void {
    this.#commit(store);
    const at = this.#changes.length;
    durabilityOf(store).sync((outcome) => {
      assert.equal(outcome === CommitOutcome.fault, this.#isRefusing, 'a failed sync is told');
      if (outcome !== CommitOutcome.done) return;
      this.#flushed = Math.max(this.#flushed, at);
      this.#counts.flushes++;
    });
  }

  /** Waits for room where the store asks for that: some sync must then bring it. */
  #change(store: Store, make: () => Change | undefined): void {
    if (this.#staged.length >= BATCH_PAGES_MAX) this.#commit(store);
    if (this.#staged.length === 0) {
      let isHeld = true;
      for (let waits = 0; isHeld; waits++) {
        assert.ok(waits < 100, 'room comes in the end');
        let resumed = false;
        isHeld = durabilityOf(store).mustWait(() => (resumed = true));
        if (!isHeld) break;
        this.#counts.heldBatches++;
        assert.ok(this.#disk.isSyncing, 'who waits has something to wait for');
        this.#endSync();
        assert.ok(resumed, 'who waits is woken');
      }
    }
    const change = make();
    if (change !== undefined) this.#staged.push(change);
  }

  #put(store: Store, page: number): void {
    this.#change(store, () => {
      const version = ++this.#version;
      fillPage(this.#kernel, this.#page, page, version);
      const outcome = store.engine.put(store.object(page), pageIndex(page % PAGES_PER_OBJECT), this.#page);
      const stored = outcome === PutOutcome.stored;
      if (!stored) this.#counts.fullPuts++;
      return stored ? [[page, version]] : undefined;
    });
  }

  #flushRange(store: Store, page: number): void {
    const index = page % PAGES_PER_OBJECT;
    const count = 1 + this.#prng.below(PAGES_PER_OBJECT - index);
    this.#change(store, () => {
      store.engine.flushRange(store.object(page), pageIndex(index), count);
      return absent(page, count);
    });
  }

  #flushObject(store: Store, page: number): void {
    this.#commit(store);
    this.#change(store, () => {
      store.engine.flushObject(store.object(page));
      return absent(page - (page % PAGES_PER_OBJECT), PAGES_PER_OBJECT);
    });
    if (this.#commit(store)) store.forget(page);
  }

  #flushPool(store: Store, page: number): void {
    const perPool = OBJECTS_PER_POOL * PAGES_PER_OBJECT;
    this.#commit(store);
    this.#change(store, () => {
      store.engine.flushPool(store.object(page).pool);
      return absent(page - (page % perPool), perPool);
    });
    if (this.#commit(store)) store.forgetPool(page);
  }

  #commit(store: Store): boolean {
    const isDone = store.engine.commit() === CommitOutcome.done;
    if (isDone) {
      if (this.#isRefusing) this.#requireNoChange();
      this.#changes.push(...this.#staged);
    } else {
      this.#counts.refusedBatches++;
      if (!this.#isRefusing) this.#branches.push({ at: this.#changes.length, changes: this.#staged });
    }
    this.#staged = [];
    return isDone;
  }

  /** After a failed sync nothing is taken but what was so already. */
  #requireNoChange(): void {
    const before = [...this.#base];
    for (const change of this.#changes) apply(before, change);
    const after = [...before];
    for (const change of this.#staged) apply(after, change);
    assert.ok(same(before, after), 'nothing is taken after a failed sync');
  }

  #readAll(store: Store): Version[] {
    return this.#base.map((_, page) => this.#read(store, page, this.#everOf(page)));
  }

  #verifyAll(store: Store): void {
    for (let page = 0; page < PAGES; page++) this.#verify(store, page);
  }

  #verify(store: Store, page: number): void {
    const state = [...this.#base];
    for (const change of [...this.#changes, ...this.#staged]) apply(state, change);
    this.#read(store, page, [state[page]!]);
  }

  /** Every version that the page has had since the base, or might have had. */
  #everOf(page: number): Version[] {
    const changes = [...this.#changes, ...this.#branches.flatMap((branch) => branch.changes)].flat();
    const versions = changes.filter(([changed]) => changed === page).map(([, version]) => version);
    return [...new Set([this.#base[page]!, ...versions])];
  }

  /** @returns which of these it is */
  #read(store: Store, page: number, allowed: readonly Version[]): Version {
    const { kernel, to, expected } = { kernel: this.#kernel, to: this.#page, expected: this.#expected };
    const object = store.find(page);
    const outcome =
      object === undefined ? GetOutcome.miss : store.engine.get(object, pageIndex(page % PAGES_PER_OBJECT), to);
    assert.notEqual(outcome, GetOutcome.damaged, `page ${page} is damaged`);
    const got = kernel.bytes.subarray(to, to + 4096);
    const found = allowed.find((version) => {
      if (version === 0 || outcome === GetOutcome.miss) return version === 0 && outcome === GetOutcome.miss;
      fillPage(kernel, expected, page, version);
      return Buffer.compare(got, kernel.bytes.subarray(expected, expected + 4096)) === 0;
    });
    const what = outcome === GetOutcome.miss ? 'missing' : 'another';
    assert.ok(found !== undefined, `page ${page} is none of ${allowed.join(', ')}: ${what}`);
    return found;
  }
}

function durabilityOf(store: Store): Durability {
  const { durability } = store.engine;
  assert.ok(durability !== undefined, 'the store is on a disk');
  return durability;
}

function apply(state: Version[], change: Change): void {
  for (const [page, version] of change) state[page] = version;
}

function same(a: readonly Version[], b: readonly Version[]): boolean {
  return a.every((version, page) => version === b[page]);
}

function absent(first: number, count: number): Change {
  return Array.from({ length: count }, (_, n) => [first + n, 0] as const);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
