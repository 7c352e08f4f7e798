/** A pool of a small store, and pages in it that a version tells apart. */
import assert from 'node:assert/strict';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { PageIndex } from '../../src/base/ids.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import type { ObjectId } from '../../src/tmem/names.js';
import { PERSISTENT_PRIVATE } from '../../src/tmem/pool-attributes.js';
import { TmemStatus } from '../../src/tmem/status.js';
import type { PoolWishes } from '../../src/tmem/tmem.js';
import type { TmemClient } from '../../src/tmem/tmem-client.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { openSmallStore, pageAt, pageOf, type SmallStore, type Texture, writeVersion } from './small-store.js';

/** The object that {@link put} and {@link expectVersion} mean. */
export const OBJECT: ObjectId = 7n;

export interface WithPool {
  readonly store: SmallStore;
  readonly client: TmemClient;
  readonly pool: TmemPool;
}

export function withPool(
  files: MemorySegmentFiles = new MemorySegmentFiles(),
  flags: number = PERSISTENT_PRIVATE,
  wishes: PoolWishes = {},
): WithPool {
  const store = openSmallStore(files);
  const client = store.tmem.client('vm1');
  return { store, client, pool: poolOf(store, client, flags, wishes) };
}

/** Another pool of the client; if it is shared, one that it may join. */
export function poolOf(store: SmallStore, client: TmemClient, flags: number, wishes: PoolWishes = {}): TmemPool {
  if (wishes.uuid !== undefined) store.tmem.authorise(client, wishes.uuid);
  return client.pools[store.tmem.createPool(client, `p${client.pools.length}`, flags, wishes)]!;
}

export function put(
  store: SmallStore,
  pool: TmemPool,
  index: PageIndex,
  version: number,
  texture: Texture = 'compressible',
): TmemStatus {
  writeVersion(store.kernel, store.source, version, texture);
  return pool.put(OBJECT, index, store.source);
}

/** Puts the page and commits. */
export function keep(
  { store: small, pool }: WithPool,
  index: PageIndex,
  version: number,
  texture: Texture = 'compressible',
): void {
  assert.equal(put(small, pool, index, version, texture), TmemStatus.done);
  assert.equal(small.tmem.commit(), CommitOutcome.done);
}

export function expectMissing({ store: small, pool }: WithPool, index: PageIndex): void {
  assert.equal(pool.get(OBJECT, index, small.target), TmemStatus.missing);
}

export function expectVersion(
  store: SmallStore,
  pool: TmemPool,
  index: PageIndex,
  version: number,
  texture: Texture = 'compressible',
): void {
  assert.equal(pool.get(OBJECT, index, store.target), TmemStatus.done);
  assert.equal(pageAt(store.kernel, store.target), pageOf(store.kernel, store.source, version, texture));
}
