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
 * each page by itself, but all of them together. Of what was ephemeral nothing is found in any next life.
 */
import { strict as assert } from 'node:assert';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { Durability } from '../../src/base/durability.js';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import { Crash, CrashingSegmentFiles } from '../../src/io/crashing-segment-files.js';
import { PowerLossFiles } from '../../src/io/power-loss-files.js';
import { BATCH_PAGES_MAX, isFatalFault, PAGES, SEGMENT_BYTES, SimulatedLife } from './simulated-life.js';
import { isEphemeral, sharedContentOf, SHARINGS, type Sharing, type Store, type Version } from './simulated-store.js';

const SEGMENTS_MIN = 6;
const SEGMENTS_MAX = 20;
const LIVES = 5;
const OPERATIONS_PER_LIFE_MAX = 200;

/** What one record does: pages and what they become. */
type Change = readonly (readonly [page: number, version: Version])[];

/** Pages come in the order of their pools, and ephemeral ones last. */
const EPHEMERAL_PAGES: readonly number[] = Array.from({ length: PAGES }, (_, page) => page).filter(isEphemeral);
const PERSISTENT_PAGES = PAGES - EPHEMERAL_PAGES.length;

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

class Simulation {
  readonly #prng: Prng;
  readonly #counts: PowerLossCounts;
  readonly #disk: PowerLossFiles;
  /** The store as it was last known to be, all of it on the disk, and what was done since. */
  #base: Version[] = Array.from({ length: PERSISTENT_PAGES }, () => 0);
  #changes: Change[] = [];
  #branches: Branch[] = [];
  /** So many of the changes are flushed. */
  #flushed = 0;
  #staged: Change[] = [];
  /** What is ephemeral, by page, and what of it the staged batch changes. */
  readonly #ephemeral = new Map<number, Version>();
  #stagedEphemeral: Change[] = [];
  #version = 0;
  readonly #segments: number;
  readonly #sharing: Sharing;
  /** Of how many operations one is a flush, and a sync under way ends: disks and clients differ. */
  readonly #flushEvery: number;
  readonly #syncOps: number;
  /** A sync failed in this life: nothing is taken any more. */
  #isRefusing = false;

  constructor(seed: number, counts: PowerLossCounts) {
    this.#prng = seededPrng(seed);
    this.#counts = counts;
    this.#disk = new PowerLossFiles(this.#prng);
    this.#sharing = SHARINGS[this.#prng.below(SHARINGS.length)]!;
    this.#segments = SEGMENTS_MIN + this.#prng.below(SEGMENTS_MAX - SEGMENTS_MIN + 1);
    // Now and then the disk is smaller than the capacity.
    if (this.#prng.below(3) === 0) this.#disk.roomBytes = (SEGMENTS_MIN + this.#prng.below(8)) * SEGMENT_BYTES;
    this.#flushEvery = 4 + this.#prng.below(3) * 40;
    this.#syncOps = 2 + this.#prng.below(3) * 10;
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
    this.#stagedEphemeral = [];
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
    this.#ephemeral.clear();
    try {
      const life = new SimulatedLife(files, this.#prng, this.#segments, this.#sharing);
      this.#counts.droppedRecords += life.droppedRecords;
      const { store } = life;
      this.#settle(life, lostPower);
      phase = 'living';
      const operations = this.#prng.below(OPERATIONS_PER_LIFE_MAX);
      for (let operation = 0; operation < operations; operation++) this.#operate(life);
      this.#commit(store);
      for (let page = 0; page < PAGES; page++) this.#verify(life, page);
      assert.ok(
        store.engine.segments.occupiedBytes <= this.#segments * SEGMENT_BYTES,
        'the capacity is never exceeded',
      );
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
      if (faults > 0 && isFatalFault(error)) return phase;
      throw error;
    }
  }

  /** What is there now is the one moment that the files have chosen; a start makes sure of it. */
  #settle(life: SimulatedLife, lostPower: boolean): void {
    const found = this.#base.map((_, page) => life.read(page, this.#everOf(page)));
    for (const page of EPHEMERAL_PAGES) life.read(page, [0]);
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
      if (this.#isSame(state, found)) moment = time;
      for (const branch of possible.filter(({ at }) => at === time)) {
        const other = [...state];
        for (const change of branch.changes) {
          apply(other, change);
          states++;
          if (this.#isSame(other, found)) moment = time;
        }
      }
    }
    return { moment, states };
  }

  /** Of pages that share, versions with one content cannot be told apart. */
  #isSame(a: readonly Version[], b: readonly Version[]): boolean {
    const contentOf = this.#sharing === 'none' ? (version: Version) => version : sharedContentOf;
    return a.every((version, page) => contentOf(version) === contentOf(b[page]!));
  }

  #operate(life: SimulatedLife): void {
    const { store } = life;
    if (this.#disk.isSyncing && this.#prng.below(this.#syncOps) === 0) this.#endSync();
    if (this.#prng.below(this.#flushEvery) === 0) this.#flush(store);
    life.operate({
      put: (page) => this.#change(store, () => this.#put(life, page)),
      verify: (page) => this.#verify(life, page),
      commit: () => this.#commit(store),
      flush: (first, count, stage) =>
        this.#change(store, () => {
          stage();
          return Array.from({ length: count }, (_, n) => [first + n, 0] as const);
        }),
    });
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
    if (this.#staged.length + this.#stagedEphemeral.length >= BATCH_PAGES_MAX) this.#commit(store);
    if (this.#staged.length + this.#stagedEphemeral.length === 0) {
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
    if (change === undefined) return;
    // No record is of both.
    if (isEphemeral(change[0]![0])) this.#stagedEphemeral.push(change);
    else this.#staged.push(change);
  }

  #put(life: SimulatedLife, page: number): Change | undefined {
    const version = ++this.#version;
    if (life.put(page, version)) return [[page, version]];
    this.#counts.fullPuts++;
    return undefined;
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
    this.#commitEphemeral(isDone);
    return isDone;
  }

  /** Flushes of ephemeral pages need no write that could fail. */
  #commitEphemeral(isDone: boolean): void {
    for (const [page, version] of this.#stagedEphemeral.flat())
      if (isDone) this.#ephemeral.set(page, version);
      else if (version === 0) this.#ephemeral.delete(page);
    this.#stagedEphemeral = [];
  }

  /** After a failed sync nothing is taken but what was so already. */
  #requireNoChange(): void {
    const before = [...this.#base];
    for (const change of this.#changes) apply(before, change);
    const after = [...before];
    for (const change of this.#staged) apply(after, change);
    assert.ok(this.#isSame(before, after), 'nothing is taken after a failed sync');
  }

  #verify(life: SimulatedLife, page: number): void {
    life.read(page, [isEphemeral(page) ? this.#ephemeralNow(page) : this.#stateNow()[page]!]);
  }

  #stateNow(): Version[] {
    const state = [...this.#base];
    for (const change of [...this.#changes, ...this.#staged]) apply(state, change);
    return state;
  }

  #ephemeralNow(page: number): Version {
    const staged = this.#stagedEphemeral.flat().findLast(([changed]) => changed === page);
    return staged?.[1] ?? this.#ephemeral.get(page) ?? 0;
  }

  /** Every version that the page has had since the base, or might have had. */
  #everOf(page: number): Version[] {
    const changes = [...this.#changes, ...this.#branches.flatMap((branch) => branch.changes)].flat();
    const versions = changes.filter(([changed]) => changed === page).map(([, version]) => version);
    return [...new Set([this.#base[page]!, ...versions])];
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
