/** A frozen client: what it has goes on living, and nothing is added to it. A migrating one: nor is anything changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { expectVersion, OBJECT, put, withPool } from '../../test/support/small-pool.js';
import { openSmallStore, writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';

const [ONE, TWO] = [pageIndex(1), pageIndex(2)];

test('R20: a fresh put of a frozen client is refused, leaves no trace, and is counted', () => {
  const { store, pool, client } = withPool();
  client.frozen = true;
  assert.equal(put(store, pool, ONE, 1), TmemStatus.frozen);
  assert.equal(pool.replace(OBJECT, ONE, store.source), TmemStatus.frozen);
  assert.equal(store.tmem.commit(), CommitOutcome.done);
  const { puts, putsDone, putsFrozen } = pool.statistics;
  assert.deepEqual([puts, putsDone, putsFrozen], [2, 0, 2]);
  assert.deepEqual([pool.objects, pool.pages, store.engine.liveBytes], [0, 0, 0]);
});

test('R20: a duplicate put of a frozen client is carried out', () => {
  const { store, pool, client } = withPool();
  put(store, pool, ONE, 1);
  put(store, pool, TWO, 2);
  store.tmem.commit();
  client.frozen = true;
  assert.equal(put(store, pool, ONE, 3), TmemStatus.done);
  writeVersion(store.kernel, store.source, 4);
  assert.equal(pool.replace(OBJECT, TWO, store.source), TmemStatus.done);
  store.tmem.commit();
  expectVersion(store, pool, ONE, 3);
  expectVersion(store, pool, TWO, 4);
  assert.equal(pool.statistics.putsFrozen, 0);
});

test('R20: what the same batch has put makes a duplicate, and what it has flushed a fresh put', () => {
  const { store, pool, client } = withPool();
  put(store, pool, ONE, 1);
  client.frozen = true;
  assert.equal(put(store, pool, ONE, 2), TmemStatus.done);
  pool.flushPage(OBJECT, ONE);
  assert.equal(put(store, pool, ONE, 3), TmemStatus.frozen);
  store.tmem.commit();
  assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
});

test('R15, R20: old data does not stay behind a put that was refused as fresh, when the flush before it comes to nothing', () => {
  const files = new FailingFiles();
  const { store, pool, client } = withPool(files);
  put(store, pool, ONE, 1);
  store.tmem.commit();
  client.frozen = true;
  pool.flushPage(OBJECT, ONE);
  assert.equal(put(store, pool, ONE, 2), TmemStatus.frozen);
  files.failures = 1;
  assert.equal(store.tmem.commit(), CommitOutcome.fault);
  assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
});

test('R31: a get works on a frozen client', () => {
  const { store, pool, client } = withPool();
  put(store, pool, ONE, 1);
  store.tmem.commit();
  client.frozen = true;
  expectVersion(store, pool, ONE, 1);
  assert.equal(pool.get(OBJECT, TWO, store.target), TmemStatus.missing);
});

test('R36: flushes of a frozen client are carried out, and say that it is frozen', () => {
  const { store, pool, client } = withPool();
  for (const index of [1, 2, 3, 4]) put(store, pool, pageIndex(index), index);
  store.tmem.commit();
  client.frozen = true;
  assert.equal(pool.flushPage(OBJECT, ONE), TmemStatus.frozen);
  assert.equal(pool.flushRange(OBJECT, TWO, 2), TmemStatus.frozen);
  store.tmem.commit();
  assert.equal(pool.pages, 1);
  assert.equal(pool.flushObject(OBJECT), TmemStatus.frozen);
  assert.equal(pool.flushPage(OBJECT, ONE), TmemStatus.frozen);
  store.tmem.commit();
  assert.deepEqual([pool.objects, pool.pages], [0, 0]);
});

test('R66: a frozen client gets no new pool, keeps those it has, and others are not frozen with it', () => {
  const { store, pool, client } = withPool();
  const other = store.tmem.client('vm2');
  client.frozen = true;
  assert.equal(store.tmem.createPool(client, 'swap1', PERSISTENT_PRIVATE), TmemStatus.frozen);
  assert.equal(client.pools.length, 1);
  assert.equal(store.tmem.createPool(other, 'swap0', PERSISTENT_PRIVATE), 0);
  assert.equal(put(store, other.pools[0]!, ONE, 1), TmemStatus.done);
  client.frozen = false;
  assert.equal(put(store, pool, ONE, 1), TmemStatus.done);
  assert.equal(store.tmem.createPool(client, 'swap1', PERSISTENT_PRIVATE), 1);
  store.tmem.commit();
});

test('a client that was frozen is not any more after a restart', () => {
  const files = new MemorySegmentFiles();
  const { store, pool, client } = withPool(files);
  put(store, pool, ONE, 1);
  store.tmem.commit();
  client.frozen = true;
  const after = openSmallStore(files);
  const [again] = after.tmem.clients.get('vm1')!.pools;
  assert.equal(put(after, again!, TWO, 2), TmemStatus.done);
  after.tmem.commit();
});

test('R21: every duplicate put of a migrating client is refused, and flushes the old page', () => {
  const { store, pool, client } = withPool();
  put(store, pool, ONE, 1);
  put(store, pool, TWO, 2);
  store.tmem.commit();
  client.migrating = true;
  assert.equal(put(store, pool, ONE, 3), TmemStatus.noSpace);
  assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
  writeVersion(store.kernel, store.source, 4);
  assert.equal(pool.replace(OBJECT, TWO, store.source), TmemStatus.noSpace);
  expectVersion(store, pool, TWO, 2);
  assert.equal(put(store, pool, pageIndex(3), 3), TmemStatus.done, 'only freezing refuses fresh ones');
  store.tmem.commit();
  assert.deepEqual([pool.pages, pool.statistics.duplicatesFlushed], [2, 1]);
});

test('R8: no private pool of a migrating client is destroyed, and nothing of it is gone', () => {
  const { store, pool, client } = withPool();
  put(store, pool, ONE, 1);
  store.tmem.commit();
  client.migrating = true;
  assert.equal(store.tmem.destroyPool(client, pool.id), TmemStatus.notPermitted);
  assert.equal(store.tmem.removeClient(client), TmemStatus.notPermitted);
  assert.equal(client.pools[pool.id], pool);
  expectVersion(store, pool, ONE, 1);
  client.migrating = false;
  assert.equal(store.tmem.destroyPool(client, pool.id), TmemStatus.done);
});
