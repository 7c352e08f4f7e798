/** What the puts and flushes of one batch are together: a sum under a cap, and nothing at all where it fails. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { expectVersion, OBJECT, put, withPool } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const [ONE, TWO] = [pageIndex(1), pageIndex(2)];

describe('a cap', () => {
  test('R25: puts of one batch into several pools of a client count together', () => {
    const { store, pool, client } = withPool();
    const other = client.pools[store.tmem.createPool(client, 'swap1', PERSISTENT_PRIVATE)]!;
    client.capBytes = 3 * 4128;
    const statuses = [0, 1, 2, 3].map((index) =>
      put(store, index % 2 === 0 ? pool : other, pageIndex(index), index, 'random'),
    );
    assert.deepEqual(statuses, [TmemStatus.done, TmemStatus.done, TmemStatus.done, TmemStatus.noMemory]);
    assert.equal(store.tmem.commit(), CommitOutcome.done);
    assert.equal(client.storedBytes, client.capBytes);
  });

  test('R25: what one pool flushes is room for another when it is committed, not before', () => {
    const { store, pool, client } = withPool();
    const other = client.pools[store.tmem.createPool(client, 'swap1', PERSISTENT_PRIVATE)]!;
    put(store, pool, ONE, 1, 'random');
    store.tmem.commit();
    client.capBytes = client.storedBytes;
    pool.flushPage(OBJECT, ONE);
    assert.equal(put(store, other, ONE, 1, 'random'), TmemStatus.noMemory);
    store.tmem.commit();
    assert.equal(put(store, other, ONE, 1, 'random'), TmemStatus.done);
  });

  test('R25: a cap below what is stored refuses growth alone', () => {
    const { store, pool, client } = withPool();
    put(store, pool, ONE, 1, 'random');
    put(store, pool, TWO, 1, 'compressible');
    store.tmem.commit();
    client.capBytes = 100;
    assert.equal(put(store, pool, ONE, 2, 'random'), TmemStatus.done);
    assert.equal(put(store, pool, TWO, 2, 'filled'), TmemStatus.done);
    assert.equal(put(store, pool, pageIndex(3), 3, 'filled'), TmemStatus.noMemory);
    store.tmem.commit();
    expectVersion(store, pool, ONE, 2, 'random');
  });
});

describe('a batch that fails', () => {
  test('an object that was flushed twice in it is there as before', () => {
    const files = new FailingFiles();
    const { store, pool } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    pool.flushObject(OBJECT);
    put(store, pool, TWO, 2);
    pool.flushObject(OBJECT);
    files.failures = 1;
    assert.equal(store.tmem.commit(), CommitOutcome.fault);
    expectVersion(store, pool, ONE, 1);
    assert.equal(pool.get(OBJECT, TWO, store.target), TmemStatus.missing);
    assert.equal(pool.objects, 1);
  });

  test('R15: a duplicate that was refused in it leaves no old data', () => {
    const files = new FailingFiles();
    const { store, pool, client } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    client.capBytes = client.storedBytes;
    assert.equal(put(store, pool, ONE, 2, 'random'), TmemStatus.noSpace);
    files.failures = 1;
    assert.equal(store.tmem.commit(), CommitOutcome.fault);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
  });

  test('an object whose flush was committed early is gone, and its number is not used again', () => {
    const files = new FailingFiles();
    const { store, pool } = withPool(files);
    // A segment that stays, so that the tombstone behind it is needed as long.
    for (let half = 0; half < 2; half++) commitRandom(store, pool, 20n + BigInt(half), 8);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    pool.flushObject(OBJECT);
    putRandom(store, pool, 8n, 12);
    files.failures = 1;
    assert.equal(store.tmem.commit(), CommitOutcome.fault);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
    for (let round = 0; round < 8; round++) commitRandom(store, pool, 9n, 4);
    // What is put now, into a segment that stays as well, must outlive the tombstone when that is moved behind it.
    for (let half = 0; half < 2; half++) commitRandom(store, pool, 22n + BigInt(half), 8);
    put(store, pool, ONE, 5);
    for (let half = 0; half < 2; half++) commitRandom(store, pool, 24n + BigInt(half), 8);
    for (let round = 0; round < 40; round++) {
      commitRandom(store, pool, 9n, 4);
      while (store.engine.maintain(0.01, true));
    }
    const after = reopened(files);
    expectVersion(after.store, after.pool, ONE, 5);
  });

  test('an object whose flush failed early is there as before, and nothing of what was put in its place', () => {
    const files = new FailingFiles();
    const { store, pool } = withPool(files);
    put(store, pool, ONE, 1);
    put(store, pool, TWO, 1);
    store.tmem.commit();
    const stored = pool.stored.storedBytes;
    pool.flushObject(OBJECT);
    files.failures = 1;
    putRandom(store, pool, 8n, 12);
    put(store, pool, ONE, 2);
    writeVersion(store.kernel, store.source, 3);
    assert.equal(pool.replace(OBJECT, pageIndex(200), store.source), TmemStatus.done);
    assert.equal(store.tmem.commit(), CommitOutcome.fault);
    for (const each of [{ store, pool }, reopened(files)]) {
      assert.equal(each.pool.get(OBJECT, ONE, each.store.target), TmemStatus.missing, 'R15');
      expectVersion(each.store, each.pool, TWO, 1);
      assert.equal(each.pool.get(OBJECT, pageIndex(200), each.store.target), TmemStatus.missing);
      assert.equal(each.pool.pages, 1);
      assert.ok(each.pool.stored.storedBytes < stored);
    }
  });
});

/** Twelve of these make a batch of a small store commit early. */
function putRandom(store: SmallStore, pool: TmemPool, id: bigint, pages: number): void {
  for (let page = 0; page < pages; page++) {
    writeVersion(store.kernel, store.source, page, 'random');
    assert.equal(pool.put(id, pageIndex(page), store.source), TmemStatus.done);
  }
}

function commitRandom(store: SmallStore, pool: TmemPool, id: bigint, pages: number): void {
  putRandom(store, pool, id, pages);
  assert.equal(store.tmem.commit(), CommitOutcome.done);
}

function reopened(files: FailingFiles): { store: SmallStore; pool: TmemPool } {
  const store = openSmallStore(files);
  return { store, pool: store.tmem.client('vm1').pools[0]! };
}
