import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { put, withPool } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { pageIndex } from '../base/ids.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { TmemStatus } from '../tmem/status.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { Forgetting } from './forgetting.js';

/** At the edges of steps, far apart, at both ends. */
const INDEXES = [0, 1, 4095, 4096, 4097, 100_000, 2 ** 31, 2 ** 32 - 1];

test('a flushed pool has none of its pages, wherever they are, in any of its objects; the pool stays, and others keep theirs', async () => {
  const { store, pool, client } = withPool();
  const other = client.pools[store.tmem.createPool(client, 'swap1', PERSISTENT_PRIVATE)]!;
  for (const object of [0n, 7n, 2n ** 100n]) fill(store, pool, object);
  fill(store, other, 7n);
  const forgotten = await new Forgetting(store.tmem, () => false).flushPool(pool);
  assert.deepEqual(forgotten, { pools: 0, pages: 3 * INDEXES.length });
  assert.deepEqual([pool.pages, pool.objects, other.pages], [0, 0, INDEXES.length]);
  assert.equal(pool.get(7n, pageIndex(100_000), store.target), TmemStatus.missing);
  assert.equal(put(store, pool, pageIndex(1), 1), TmemStatus.done);
  store.tmem.commit();
  assert.equal(pool.pages, 1);
});

test('a pool that is destroyed, and a client that is removed, stay away after a restart', async () => {
  const files = new MemorySegmentFiles();
  const { store, pool, client } = withPool(files);
  const gone = store.tmem.client('vm2');
  for (const name of ['a', 'b']) fill(store, gone.pools[store.tmem.createPool(gone, name, PERSISTENT_PRIVATE)]!, 0n);
  const kept = client.pools[store.tmem.createPool(client, 'kept', PERSISTENT_PRIVATE)]!;
  fill(store, pool, 0n);
  fill(store, kept, 0n);
  const forgetting = new Forgetting(store.tmem, () => false);
  assert.deepEqual(await forgetting.destroyPool(client, pool), { pools: 1, pages: INDEXES.length });
  assert.deepEqual(await forgetting.removeClient(gone), { pools: 2, pages: 2 * INDEXES.length });
  for (const { tmem } of [store, openSmallStore(files)]) {
    const pools = [...tmem.clients.values()].flatMap((each) => each.pools.filter((found) => found !== undefined));
    assert.deepEqual(
      pools.map((found) => `${found.owner.name}/${found.name}: ${found.pages}`),
      [`vm1/kept: ${INDEXES.length}`],
    );
  }
});

test('others are served between two steps, and what they put behind a step stays', async () => {
  const { store, pool } = withPool();
  fill(store, pool, 7n);
  const flushed = new Forgetting(store.tmem, () => false).flushPool(pool);
  // The first step is done, the second waits for the others.
  assert.equal(pool.has(7n, pageIndex(0)), false);
  assert.equal(pool.has(7n, pageIndex(4096)), true);
  put(store, pool, pageIndex(0), 1);
  store.tmem.commit();
  await flushed;
  assert.deepEqual([pool.pages, pool.has(7n, pageIndex(0))], [1, true]);
});

test('a shard that stops meanwhile is not written to any more', async () => {
  const { store, pool } = withPool();
  fill(store, pool, 7n);
  const written = store.engine.writtenBytes;
  let stopped = false;
  const flushed = new Forgetting(store.tmem, () => stopped).flushPool(pool);
  stopped = true;
  const afterOneStep = store.engine.writtenBytes;
  await assert.rejects(flushed, { code: 'E_INTERNAL', message: /the daemon is stopping/ });
  assert.ok(afterOneStep > written);
  assert.equal(store.engine.writtenBytes, afterOneStep);
});

test('files that do not take a flush are an error, and the page is still there', async () => {
  const files = new FailingFiles();
  const { store, pool } = withPool(files);
  fill(store, pool, 7n);
  files.failures = 1;
  await assert.rejects(new Forgetting(store.tmem, () => false).flushPool(pool), { code: 'E_INTERNAL' });
  assert.equal(pool.pages, INDEXES.length);
});

function fill({ tmem, kernel, source }: SmallStore, pool: TmemPool, object: bigint): void {
  writeVersion(kernel, source, 1);
  for (const index of INDEXES) assert.equal(pool.put(object, pageIndex(index), source), TmemStatus.done);
  tmem.commit();
}
