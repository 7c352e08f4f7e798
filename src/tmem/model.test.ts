import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  openSmallStore,
  pageAt,
  pageOf,
  type SmallStore,
  type Texture,
  writeVersion,
} from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { type Prng, seededPrng } from '../base/prng.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PERSISTENT_PRIVATE } from './pool-attributes.js';
import { ModelPool } from './reference/model.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const OPERATIONS = Number(process.env['TMEM_MODEL_OPERATIONS'] ?? 60_000);
const SEED = Number(process.env['TMEM_SEED'] ?? 1);
const TEXTURES: readonly Texture[] = ['filled', 'compressible', 'random'];
const POOLS = ['vm1/a', 'vm1/b', 'vm2/a'];

test(`R12-R41: three pools answer as the reference model does, ${OPERATIONS} operations, seed ${SEED}`, () => {
  new Comparison(seededPrng(SEED)).run();
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

class Comparison {
  readonly #prng: Prng;
  readonly #files = new MemorySegmentFiles();
  #store: SmallStore;
  #models = POOLS.map(() => new ModelPool());
  #committed = POOLS.map(() => new ModelPool());
  #version = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#store = openSmallStore(this.#files);
  }

  run(): void {
    for (let operation = 0; operation < OPERATIONS; operation++) {
      this.#operate(this.#prng.below(POOLS.length));
      if (operation % 5000 === 4999) this.#compareAll();
    }
    this.#compareAll();
  }

  #operate(which: number): void {
    const pool = this.#pool(which);
    const model = this.#models[which]!;
    const object = BigInt(this.#prng.below(4)) * (2n ** 190n + 5n);
    const index = pageIndex(this.#prng.below(5) === 0 ? 2 ** 32 - 1 - this.#prng.below(3) : this.#prng.below(150));
    switch (this.#prng.below(24)) {
      case 0:
        pool.flushObject(object);
        model.flushObject(object);
        break;
      case 1:
      case 2: {
        const count = 1 + this.#prng.below(Math.min(40, 2 ** 32 - index));
        pool.flushRange(object, index, count);
        model.flushRange(object, index, count);
        break;
      }
      case 3:
      case 4:
        pool.flushPage(object, index);
        model.flushPage(object, index);
        break;
      case 5:
        this.#cap(which);
        break;
      case 6:
        if (this.#prng.below(40) === 0) this.#restart();
        break;
      case 7:
      case 8:
        this.#commit();
        break;
      case 9:
        this.#commit();
        this.#store.engine.maintain(0.1, true);
        break;
      case 10:
      case 11:
      case 12:
      case 13:
        this.#compare(which, object, index);
        break;
      default:
        this.#put(which, object, index);
    }
  }

  #put(which: number, object: bigint, index: ReturnType<typeof pageIndex>): void {
    const version = ++this.#version;
    const { kernel, source } = this.#store;
    writeVersion(kernel, source, version, textureOf(version));
    const model = this.#models[which]!;
    const had = model.get(object, index) !== undefined;
    const status = this.#pool(which).put(object, index, source);
    if (status === TmemStatus.done) model.put(object, index, version);
    else {
      assert.equal(status, had ? TmemStatus.noSpace : TmemStatus.noMemory);
      model.refusePut(object, index);
    }
  }

  /** A cap now and then, so that puts are refused. */
  #cap(which: number): void {
    const client = this.#store.tmem.client(POOLS[which]!.split('/')[0]!);
    client.capBytes = this.#prng.below(3) === 0 ? client.storedBytes + this.#prng.below(10_000) : Infinity;
  }

  #commit(): void {
    assert.equal(this.#store.tmem.commit(), CommitOutcome.done);
    this.#committed = this.#models.map((model) => model.copy());
  }

  /** The process dies between batches; what was staged and not committed is gone. */
  #restart(): void {
    this.#models = this.#committed.map((model) => model.copy());
    this.#store = openSmallStore(this.#files);
  }

  #compareAll(): void {
    this.#commit();
    for (const [which, model] of this.#models.entries()) {
      const pool = this.#pool(which);
      assert.equal(pool.pages, model.pages);
      assert.equal(pool.objects, model.objects);
    }
  }

  #compare(which: number, object: bigint, index: ReturnType<typeof pageIndex>): void {
    const { kernel, source, target } = this.#store;
    const version = this.#models[which]!.get(object, index);
    const status = this.#pool(which).get(object, index, target);
    assert.equal(status, version === undefined ? TmemStatus.missing : TmemStatus.done);
    if (version !== undefined) {
      assert.equal(pageAt(kernel, target), pageOf(kernel, source, version, textureOf(version)));
    }
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
