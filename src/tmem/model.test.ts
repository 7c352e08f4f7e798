import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import {
  openSmallStore,
  pageAt,
  pageOf,
  type SmallStore,
  type Texture,
  writeVersion,
} from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex, type PageIndex } from '../base/ids.js';
import { type Prng, seededPrng } from '../base/prng.js';
import { KIB } from '../base/units.js';
import { PERSISTENT_PRIVATE } from './pool-attributes.js';
import { ModelPool } from './reference/model.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const OPERATIONS = Number(process.env['TMEM_MODEL_OPERATIONS'] ?? 60_000);
const SEED = Number(process.env['TMEM_SEED'] ?? 1);
const TEXTURES: readonly Texture[] = ['filled', 'compressible', 'random'];
/** So little that it is full at times. */
const CAPACITY_BYTES = 448 * KIB;

/** Above this part of so small a capacity, the reserve and a batch taken off, a store may refuse. */
const FULL_SHARE = 1 / 3;

/** So few verbs fit into a batch however large their pages are; more are perhaps committed in parts. */
const NEVER_EARLY = 7;

const POOLS = ['vm1/a', 'vm1/b', 'vm2/a'];

test(`R12-R41: three pools answer as the reference model does, ${OPERATIONS} operations, seed ${SEED}`, (t) => {
  const comparison = new Comparison(seededPrng(SEED));
  comparison.run();
  t.diagnostic(JSON.stringify(comparison.counts));
  if (OPERATIONS < 50_000) return;
  for (const [what, count] of Object.entries(comparison.counts)) assert.ok(count > 0, what);
});

test('R38 put-put-get, R39 put-flush-get, R40 get-get hold in every short sequence of verbs', () => {
  const store = openSmallStore();
  const client = store.tmem.client('vm1');
  store.tmem.createPool(client, 'p', PERSISTENT_PRIVATE);
  const pool = client.pools[0]!;
  const verbs = ['put', 'flushPage', 'flushObject', 'get', 'commit'] as const;
  const index = pageIndex(3);
  let version = 0;
  for (let code = 0; code < verbs.length ** 5; code++) {
    pool.flushObject(1n);
    store.tmem.commit();
    let expected: number | undefined;
    for (let rest = code, step = 0; step < 5; step++, rest = Math.floor(rest / verbs.length)) {
      const verb = verbs[rest % verbs.length]!;
      if (verb === 'put') {
        expected = ++version;
        writeVersion(store.kernel, store.source, version, 'filled');
        assert.equal(pool.put(1n, index, store.source), TmemStatus.done);
      } else if (verb === 'flushPage') {
        pool.flushPage(1n, index);
        expected = undefined;
      } else if (verb === 'flushObject') {
        pool.flushObject(1n);
        expected = undefined;
      } else if (verb === 'commit') {
        store.tmem.commit();
      } else {
        const found = pool.get(1n, index, store.target);
        assert.equal(found, expected === undefined ? TmemStatus.missing : TmemStatus.done);
        if (expected !== undefined) {
          assert.equal(pageAt(store.kernel, store.target), pageOf(store.kernel, store.source, expected, 'filled'));
        }
      }
    }
  }
});

/** A page that the staged batch has to do with. */
interface Touched {
  readonly which: number;
  readonly object: bigint;
  readonly index: PageIndex;
  readonly before: number | undefined;
  /** What it became in the batch, one after the other. */
  readonly versions: (number | undefined)[];
  /** It was put: if the batch fails, what was there is gone too (R15). */
  isPut: boolean;
}

class Comparison {
  readonly #prng: Prng;
  readonly #files = new FailingFiles();
  #store: SmallStore;
  readonly #models = POOLS.map(() => new ModelPool());
  readonly #touched = new Map<string, Touched>();
  /** Verbs that the staged batch has had. */
  #staged = 0;
  #version = 0;
  /** What each client had stored after the last commit. */
  readonly #storedBytes = new Map<string, number>();
  /** How often things happened that must happen for this to prove anything. */
  readonly counts = { overCap: 0, full: 0, failed: 0, failedInPart: 0, destroyed: 0, restarts: 0 };

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#store = this.#open();
  }

  run(): void {
    for (let operation = 0; operation < OPERATIONS; operation++) {
      this.#operate(this.#prng.below(POOLS.length));
      if (operation % 5000 === 4999) this.#compareAll();
    }
    this.#compareAll();
  }

  #operate(which: number): void {
    const object = BigInt(this.#prng.below(4)) * (2n ** 190n + 5n);
    const index = pageIndex(this.#prng.below(5) === 0 ? 2 ** 32 - 1 - this.#prng.below(3) : this.#prng.below(150));
    switch (this.#prng.below(24)) {
      case 0:
        this.#flushObject(which, object);
        break;
      case 1:
      case 2:
        this.#flushRange(which, object, index, 1 + this.#prng.below(Math.min(40, 2 ** 32 - index)));
        break;
      case 3:
      case 4:
        this.#flushRange(which, object, index, 1);
        break;
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
        break;
      case 10:
      case 11:
      case 12:
      case 13:
        this.#compare(which, object, index);
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
        return this.#removeClient(POOLS[which]!.split('/')[0]!);
      case 3:
      case 4:
      case 5:
      case 6:
        // The next write: of the batch, of a part of it, of cleaning.
        this.#files.code = this.#prng.below(2) === 0 ? 'EIO' : 'ENOSPC';
        this.#files.failures = 1;
    }
  }

  #put(which: number, object: bigint, index: PageIndex, replaces: boolean): void {
    const version = ++this.#version;
    const { kernel, source } = this.#store;
    writeVersion(kernel, source, version, textureOf(version));
    const pool = this.#pool(which);
    const model = this.#models[which]!;
    const had = model.get(object, index) !== undefined;
    const touched = this.#touch(which, object, index);
    touched.isPut ||= !replaces;
    this.#staged++;
    const status = replaces ? pool.replace(object, index, source) : pool.put(object, index, source);
    if (status === TmemStatus.done) {
      model.put(object, index, version);
      touched.versions.push(version);
      return;
    }
    this.#mayRefuse(pool, had && textureOf(version) === 'filled');
    if (replaces) assert.equal(status, TmemStatus.noSpace);
    else {
      assert.equal(status, had ? TmemStatus.noSpace : TmemStatus.noMemory);
      model.refusePut(object, index);
      touched.versions.push(undefined);
    }
  }

  /** R25, R77: only a cap that is reached and a store that is full refuse, and a cap nothing that cannot grow. */
  #mayRefuse({ client }: TmemPool, cannotGrow: boolean): void {
    if (this.#store.engine.liveBytes > FULL_SHARE * CAPACITY_BYTES) this.counts.full++;
    else {
      assert.ok(client.capBytes < Infinity && !cannotGrow, `refused with ${this.#store.engine.liveBytes} bytes stored`);
      this.counts.overCap++;
    }
  }

  #flushRange(which: number, object: bigint, first: PageIndex, count: number): void {
    const model = this.#models[which]!;
    for (let index = first; index < first + count; index = pageIndex(index + 1)) {
      if (model.get(object, index) !== undefined) this.#touch(which, object, index).versions.push(undefined);
    }
    this.#staged++;
    if (count === 1) this.#pool(which).flushPage(object, first);
    else this.#pool(which).flushRange(object, first, count);
    model.flushRange(object, first, count);
  }

  #flushObject(which: number, object: bigint): void {
    const model = this.#models[which]!;
    for (const index of model.indexesOf(object)) {
      this.#touch(which, object, pageIndex(index)).versions.push(undefined);
    }
    this.#pool(which).flushObject(object);
    this.#staged++;
    model.flushObject(object);
  }

  #destroyPool(which: number): void {
    this.#commit();
    const mayFail = this.#prng.below(2) === 0;
    if (mayFail) this.#files.failures = 1;
    const pool = this.#pool(which);
    const status = this.#store.tmem.destroyPool(pool.client, pool.id);
    this.#files.failures = 0;
    if (status === TmemStatus.done) this.#models[which] = new ModelPool();
    // What failed may have been cleaning, before.
    else assert.ok(status === TmemStatus.noSpace && mayFail);
    this.counts.destroyed++;
  }

  #removeClient(name: string): void {
    this.#commit();
    const { tmem } = this.#store;
    assert.equal(tmem.removeClient(tmem.client(name)), TmemStatus.done);
    for (const [which, pool] of POOLS.entries()) {
      if (pool.split('/')[0] === name) this.#models[which] = new ModelPool();
    }
    this.counts.destroyed++;
  }

  /** A cap now and then, so that puts are refused: a little above what is stored, or far below. */
  #cap(which: number): void {
    this.#commit();
    const { client } = this.#pool(which);
    const kind = this.#prng.below(6);
    if (kind < 2) client.capBytes = client.storedBytes + this.#prng.below(10_000);
    else client.capBytes = kind === 2 ? client.storedBytes >>> 1 : Infinity;
  }

  #commit(): void {
    const outcome = this.#store.tmem.commit();
    this.#files.failures = 0;
    if (outcome !== CommitOutcome.done) {
      assert.equal(outcome, this.#files.code === 'EIO' ? CommitOutcome.fault : CommitOutcome.full);
      this.counts.failed++;
      this.#undo(true);
    }
    this.#endBatch();
    for (const [name, client] of this.#store.tmem.clients) {
      const most = Math.max(client.capBytes, this.#storedBytes.get(name) ?? 0);
      assert.ok(client.storedBytes <= most, `R25: ${name} has stored ${client.storedBytes} bytes of ${most}`);
      this.#storedBytes.set(name, client.storedBytes);
    }
  }

  /** The process dies between batches; what was staged and not committed is gone. */
  #restart(): void {
    this.#files.failures = 0;
    this.#store = this.#open();
    this.#undo(false);
    this.#endBatch();
    this.counts.restarts++;
  }

  /** The batch came to nothing, but for parts of a long one that were committed early: then any part of it may be there. */
  #undo(flushesPuts: boolean): void {
    const inPart = this.#staged > NEVER_EARLY;
    for (const { which, object, index, before, versions, isPut } of this.#touched.values()) {
      const model = this.#models[which]!;
      model.flushPage(object, index);
      const allowed = isPut && flushesPuts ? [undefined] : inPart ? [before, ...versions] : [before];
      const at = allowed.findIndex((version) => this.#is(which, object, index, version));
      assert.ok(at !== -1, `page ${index} is none of ${allowed.join(', ')}`);
      const found = allowed[at];
      if (found !== undefined) model.put(object, index, found);
    }
    if (inPart && flushesPuts) this.counts.failedInPart++;
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
      const pool = this.#pool(which);
      assert.equal(pool.pages, model.pages);
      assert.equal(pool.objects, model.objects);
    }
  }

  #compare(which: number, object: bigint, index: PageIndex): void {
    const version = this.#models[which]!.get(object, index);
    assert.ok(this.#is(which, object, index, version), `page ${index} is not version ${version}`);
  }

  #is(which: number, object: bigint, index: PageIndex, version: number | undefined): boolean {
    const { kernel, source, target } = this.#store;
    const status = this.#pool(which).get(object, index, target);
    if (version === undefined || status !== TmemStatus.done) {
      return version === undefined && status === TmemStatus.missing;
    }
    return pageAt(kernel, target) === pageOf(kernel, source, version, textureOf(version));
  }

  #open(): SmallStore {
    return openSmallStore(this.#files, { capacityBytes: CAPACITY_BYTES });
  }

  #pool(which: number): TmemPool {
    const [clientName, name] = POOLS[which]!.split('/') as [string, string];
    const { tmem } = this.#store;
    const client = tmem.client(clientName);
    return tmem.poolNamed(client, name) ?? client.pools[tmem.createPool(client, name, PERSISTENT_PRIVATE)]!;
  }
}

function textureOf(version: number): Texture {
  return TEXTURES[version % TEXTURES.length]!;
}
