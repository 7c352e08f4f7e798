/**
 * Several clients with pools of every kind, driven at random beside the reference model: puts, gets, flushes, caps, freezes,
 * pools that end, clients that die, batches that cannot be written, restarts; in so little room that it is full at times.
 * Pages of some pools leave for spill files and come back meanwhile, those of others share their memory with equal ones.
 */
import assert from 'node:assert/strict';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import { pageIndex, type PageIndex } from '../../src/base/ids.js';
import type { Prng } from '../../src/base/prng.js';
import { PERSISTENT_PRIVATE } from '../../src/tmem/pool-attributes.js';
import { ModelPool } from '../../src/tmem/reference/model.js';
import { TmemStatus } from '../../src/tmem/status.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { ComparedCharges } from './compared-charges.js';
import { COMMON_VERSIONS, noCounts, POOLS, textureOf, type Touched } from './compared-pools.js';
import { CAPACITY_BYTES, ComparedStore } from './compared-store.js';
import { writeVersion } from './small-store.js';

/** Above this part of so small a capacity, the reserve and a batch taken off, a store may refuse. */
const FULL_SHARE = 1 / 3;

/** So few verbs fit into a batch however large their pages are; more are perhaps committed in parts. */
const NEVER_EARLY = 7;

export class TmemComparison {
  readonly #prng: Prng;
  readonly #store: ComparedStore;
  readonly #models = POOLS.map(() => new ModelPool());
  /** Ephemeral pages that were found gone, by pool, since the pool was made: no more than it says that it gave up. */
  readonly #vanished = POOLS.map(() => 0);
  readonly #touched = new Map<string, Touched>();
  readonly #charges = new ComparedCharges();
  /** Verbs that the staged batch has had. */
  #staged = 0;
  #version = COMMON_VERSIONS;
  /** The next write since the batch began was to fail. */
  #isArmed = false;
  /** What each client had stored after the last commit. */
  readonly #storedBytes = new Map<string, number>();
  readonly #counts = noCounts();

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#store = new ComparedStore(prng);
  }

  /** How often things happened that must happen for this to prove anything. */
  get counts(): Readonly<Record<string, number>> {
    return { ...this.#counts, ...this.#store.spills.counts, shared: this.#charges.sharedPages };
  }

  run(operations: number): void {
    for (let operation = 0; operation < operations; operation++) {
      this.#operate(this.#prng.below(POOLS.length));
      if (operation % 5000 === 4999) this.#compareAll();
    }
    this.#compareAll();
  }

  #operate(which: number): void {
    const object = BigInt(this.#prng.below(4)) * (2n ** 190n + 5n);
    const index = pageIndex(this.#prng.below(5) === 0 ? 2 ** 32 - 1 - this.#prng.below(3) : this.#prng.below(80));
    switch (this.#prng.below(26)) {
      case 0:
        if (this.#prng.below(4) === 0) this.#flushObject(which, object);
        else this.#endCalls();
        break;
      case 1:
      case 2:
      case 3:
      case 4: {
        const most = this.#prng.below(2) === 0 ? 1 : Math.min(20, 2 ** 32 - index);
        this.#flushRange(which, object, index, 1 + this.#prng.below(most));
        break;
      }
      case 5:
        this.#cap(which);
        break;
      case 6:
        this.#rarely(which);
        break;
      case 7:
      case 8:
        this.#commit();
        break;
      case 9:
        this.#commit();
        this.#store.engine.maintain(0.1, true);
        this.#store.tmem.catchUp();
        this.#store.tick();
        break;
      case 24:
        this.#endCalls();
        break;
      case 25:
        this.#commit();
        this.#store.spills.releaseOne(
          (held) => this.#store.pageOf(this.#models[held.which]!.get(held.object, held.index)) ?? '',
        );
        break;
      case 10:
      case 11:
      case 12:
      case 13:
        this.#get(which, object, index);
        break;
      default:
        this.#put(which, object, index, this.#prng.below(3) === 0);
    }
  }

  #rarely(which: number): void {
    switch (this.#prng.below(40)) {
      case 0:
        return this.#restart();
      case 1:
        return this.#destroyPool(which);
      case 2:
        return this.#removeClient(which);
      case 3:
      case 4:
      case 5:
      case 6:
        // The next write: of the batch, of a part of it, of cleaning.
        this.#store.files.code = this.#prng.below(2) === 0 ? 'EIO' : 'ENOSPC';
        this.#store.files.failures = 1;
        this.#isArmed = true;
        return undefined;
      case 7:
        this.#commit();
        this.#store.tmem.relinquish(this.#prng.below(50_000));
        return undefined;
      case 8:
      case 9:
      case 10:
        this.#store.client(which).frozen = this.#prng.below(8) === 0;
    }
  }

  #put(which: number, object: bigint, index: PageIndex, replaces: boolean): void {
    const isCommon = POOLS[which]!.domain !== undefined && this.#prng.below(3) > 0;
    const version = isCommon ? 1 + this.#prng.below(COMMON_VERSIONS) : ++this.#version;
    const pool = this.#store.pool(which);
    const model = this.#models[which]!;
    const by = this.#store.client(which);
    const had = this.#has(which, pool, object, index);
    const { kernel, source } = this.#store;
    writeVersion(kernel, source, version, textureOf(version));
    const touched = this.#touch(which, object, index);
    touched.isPut ||= !replaces;
    this.#staged++;
    const status = replaces ? pool.replace(object, index, source, by) : pool.put(object, index, source, by);
    if (status === TmemStatus.frozen) {
      assert.ok(by.frozen && !had, 'R20');
      this.#counts.frozen++;
      return;
    }
    assert.ok(had || !by.frozen, 'R20');
    if (status === TmemStatus.done) {
      model.put(object, index, version);
      touched.versions.push(version);
      return;
    }
    this.#mayRefuse(pool, had && textureOf(version) === 'filled');
    if (status === TmemStatus.later) {
      assert.ok(replaces && POOLS.some(({ spills }) => spills), 'the old page stays, and whoever waits is told');
      this.#commit();
      this.#store.waitForRoom();
      this.#counts.later++;
    } else if (replaces) assert.equal(status, TmemStatus.noSpace);
    else {
      // Room may have been made by giving up the page itself: then the put was a fresh one.
      const isDuplicate = had && !(status === TmemStatus.noMemory && !pool.attributes.isPersistent);
      assert.equal(status, isDuplicate ? TmemStatus.noSpace : TmemStatus.noMemory);
      model.refusePut(object, index);
      touched.versions.push(undefined);
    }
  }

  /** R25, R77: only a cap that is reached and a store that is full refuse, and a cap nothing that cannot grow. */
  #mayRefuse({ owner, attributes }: TmemPool, cannotGrow: boolean): void {
    if (this.#store.engine.liveBytes > FULL_SHARE * CAPACITY_BYTES) this.#counts.full++;
    else {
      assert.ok(
        attributes.isPersistent && owner.capBytes < Infinity && !cannotGrow,
        `refused with ${this.#store.engine.liveBytes} bytes stored`,
      );
      this.#counts.overCap++;
    }
  }

  #flushRange(which: number, object: bigint, first: PageIndex, count: number): void {
    const model = this.#models[which]!;
    for (let index = first; index < first + count; index = pageIndex(index + 1)) {
      if (model.get(object, index) !== undefined) this.#touch(which, object, index).versions.push(undefined);
    }
    this.#staged++;
    const by = this.#store.client(which);
    const pool = this.#store.pool(which);
    const status = count === 1 ? pool.flushPage(object, first, by) : pool.flushRange(object, first, count, by);
    assert.equal(status, by.frozen ? TmemStatus.frozen : TmemStatus.done, 'R36');
    model.flushRange(object, first, count);
  }

  #flushObject(which: number, object: bigint): void {
    const model = this.#models[which]!;
    for (const index of model.indexesOf(object)) {
      this.#touch(which, object, pageIndex(index)).versions.push(undefined);
    }
    this.#store.pool(which).flushObject(object, this.#store.client(which));
    this.#staged++;
    model.flushObject(object);
  }

  /** A write has failed since the batch began: a part of it that was committed early may be gone. */
  get #mayBeDoomed(): boolean {
    return this.#isArmed && this.#store.files.failures === 0;
  }

  #get(which: number, object: bigint, index: PageIndex): void {
    // A batch is asked for what it holds only while none of it can have failed: nobody is answered out of another.
    if (this.#mayBeDoomed) this.#commit();
    const pool = this.#store.pool(which);
    const { isPersistent, isInclusive } = pool.attributes;
    if (isPersistent) {
      if (pool.isAway(object, index) && this.#holds(which, object, index)) return;
      const page = this.#store.read(which, object, index);
      const version = this.#models[which]!.get(object, index);
      return assert.ok(page === this.#store.pageOf(version), `page ${index} is not version ${version}`);
    }
    if (!this.#has(which, pool, object, index)) return;
    const expected = this.#store.pageOf(this.#models[which]!.get(object, index));
    assert.equal(this.#store.read(which, object, index), expected, `page ${index} of ${pool.name}`);
    if (isInclusive) return;
    // R27: as if it had been flushed.
    this.#touch(which, object, index).versions.push(undefined);
    this.#models[which]!.flushPage(object, index);
    this.#staged++;
    this.#counts.taken++;
  }

  /** The page is away: nobody waits for it within a batch. @returns whether it is fetched while others go on */
  #holds(which: number, object: bigint, index: PageIndex): boolean {
    this.#commit();
    const pool = this.#store.pool(which);
    if (!pool.isAway(object, index) || this.#prng.below(2) === 0) return false;
    this.#store.spills.hold({ which, object, index, fetched: pool.fetch(object, index, () => {}) });
    return true;
  }

  #endCalls(): void {
    if (!this.#store.spills.isBusy) return;
    this.#commit();
    this.#store.spills.endCalls();
  }

  /** Whether the model has the page; an ephemeral one that is found gone is gone there too from now on (R13, R40). */
  #has(which: number, pool: TmemPool, object: bigint, index: PageIndex): boolean {
    const model = this.#models[which]!;
    const isThere = pool.has(object, index);
    if (this.#mayBeDoomed && isThere !== (model.get(object, index) !== undefined)) {
      this.#commit();
      return this.#has(which, pool, object, index);
    }
    if (model.get(object, index) === undefined) {
      assert.equal(isThere, false, `page ${index} of ${pool.name} came back`);
      return false;
    }
    if (isThere) return true;
    assert.ok(!pool.attributes.isPersistent, `page ${index} of ${pool.name} is lost`);
    this.#touch(which, object, index).versions.push(undefined);
    model.flushPage(object, index);
    this.#counts.vanished++;
    this.#vanished[which]!++;
    assert.ok(this.#vanished[which]! <= pool.statistics.evicted, `${pool.name} lost more than it gave up`);
    return false;
  }

  #destroyPool(which: number): void {
    if (POOLS[which]!.clients.length > 1) return;
    this.#commit();
    const pool = this.#store.pool(which);
    const mayFail = this.#prng.below(2) === 0;
    if (mayFail) this.#store.files.failures = 1;
    const status = this.#store.tmem.destroyPool(pool.owner, pool.id);
    this.#store.files.failures = 0;
    if (status === TmemStatus.done) this.#forget(which);
    // What failed may have been cleaning, before.
    else assert.ok(status === TmemStatus.noSpace && mayFail);
    this.#counts.destroyed++;
  }

  #removeClient(which: number): void {
    const [name, ...others] = POOLS[which]!.clients;
    if (others.length > 0) return;
    this.#commit();
    const { tmem } = this.#store;
    assert.equal(tmem.removeClient(tmem.client(name!)), TmemStatus.done);
    for (const [each, { clients }] of POOLS.entries()) if (clients.includes(name!)) this.#forget(each);
    this.#counts.destroyed++;
  }

  #forget(which: number): void {
    this.#models[which] = new ModelPool();
    this.#vanished[which] = 0;
    this.#store.spills.retire(which);
  }

  /** A cap now and then, so that puts are refused: a little above what is stored, or far below. */
  #cap(which: number): void {
    this.#commit();
    const client = this.#store.client(which);
    const kind = this.#prng.below(6);
    if (kind < 2) client.capBytes = client.storedBytes + this.#prng.below(10_000);
    else client.capBytes = kind === 2 ? client.storedBytes >>> 1 : Infinity;
  }

  #commit(): void {
    const outcome = this.#store.tmem.commit();
    this.#store.files.failures = 0;
    this.#isArmed = false;
    if (outcome !== CommitOutcome.done) {
      assert.equal(outcome, this.#store.files.code === 'EIO' ? CommitOutcome.fault : CommitOutcome.full);
      this.#counts.failed++;
      this.#undo(true);
    }
    this.#endBatch();
    for (const [name, client] of this.#store.tmem.clients) {
      const most = Math.max(client.capBytes, this.#storedBytes.get(name) ?? 0);
      assert.ok(client.storedBytes <= most, `R25: ${name} has stored ${client.storedBytes} bytes of ${most}`);
      this.#storedBytes.set(name, client.storedBytes);
    }
  }

  /** The process dies between batches; what was staged and not committed is gone, and so is all that was ephemeral. */
  #restart(): void {
    this.#store.files.failures = 0;
    this.#isArmed = false;
    this.#store.restart();
    for (const [which, { flags }] of POOLS.entries()) if (flags !== PERSISTENT_PRIVATE) this.#forget(which);
    this.#undo(false);
    this.#endBatch();
    this.#counts.restarts++;
  }

  /** The batch came to nothing, but for parts of a long one that were committed early: then any part of it may be there. */
  #undo(fails: boolean): void {
    const inPart = this.#staged > NEVER_EARLY;
    for (const { which, object, index, before, versions, isPut } of this.#touched.values()) {
      const pool = this.#store.pool(which);
      this.#models[which]!.flushPage(object, index);
      let allowed = isPut && fails ? [undefined] : inPart ? [before, ...versions] : [before];
      if (!pool.attributes.isPersistent) {
        // Flushes hold, and pages may have gone to make room.
        const isFlushed = !inPart && versions.includes(undefined);
        allowed = fails && !isFlushed ? [undefined, ...allowed] : [undefined];
      }
      const page = this.#store.read(which, object, index);
      const at = allowed.findIndex((version) => page === this.#store.pageOf(version));
      assert.ok(at !== -1, `page ${index} of ${pool.name} is none of ${allowed.join(', ')}`);
      const found = allowed[at];
      // Reading it has taken it out of a destructive pool.
      if (found !== undefined && pool.attributes.isInclusive) this.#models[which]!.put(object, index, found);
    }
    // Reading has taken pages out of a destructive pool.
    assert.equal(this.#store.tmem.commit(), CommitOutcome.done);
    if (inPart && fails) this.#counts.failedInPart++;
  }

  #endBatch(): void {
    this.#touched.clear();
    this.#staged = 0;
  }

  #touch(which: number, object: bigint, index: PageIndex): Touched {
    const key = `${which}:${object}:${index}`;
    let touched = this.#touched.get(key);
    if (touched === undefined) {
      const before = this.#models[which]!.get(object, index);
      touched = { which, object, index, before, versions: [], isPut: false };
      this.#touched.set(key, touched);
    }
    return touched;
  }

  #compareAll(): void {
    this.#commit();
    for (const [which, model] of this.#models.entries()) {
      const pool = this.#store.pool(which);
      if (!pool.attributes.isPersistent) {
        for (const [object, index] of model.all) this.#has(which, pool, object, pageIndex(index));
      }
      assert.equal(pool.pages, model.pages);
      assert.equal(pool.objects, model.objects);
    }
    this.#endBatch();
    const pools = POOLS.map((_, which) => this.#store.pool(which));
    this.#charges.compare(pools, this.#models, this.#store.engine.segments.liveBytes);
  }
}
