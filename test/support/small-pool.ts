/** A pool of a small store, and pages in it that a version tells apart. */
import assert from 'node:assert/strict';
import type { PageIndex } from '../../src/base/ids.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import type { ObjectId } from '../../src/tmem/names.js';
import { PERSISTENT_PRIVATE } from '../../src/tmem/pool-attributes.js';
import { TmemStatus } from '../../src/tmem/status.js';
import type { TmemClient } from '../../src/tmem/tmem-client.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { openSmallStore, pageAt, pageOf, type SmallStore, type Texture, writeVersion } from './small-store.js';

/** The object that {@link put} and {@link expectVersion} mean. */
export const OBJECT: ObjectId = 7n;

export function withPool(files: MemorySegmentFiles = new MemorySegmentFiles()): {
  store: SmallStore;
  client: TmemClient;
  pool: TmemPool;
} {
  const store = openSmallStore(files);
  const client = store.tmem.client('vm1');
  const pool = client.pools[store.tmem.createPool(client, 'swap0', PERSISTENT_PRIVATE)]!;
  return { store, client, pool };
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
