/** Ephemeral pools of one client: destructive, and inclusive where that was asked for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { expectMissing, expectVersion, keep, OBJECT, put, withPool } from '../../test/support/small-pool.js';
import { badAddress, openSmallStore, pageAt, pageOf, writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const [ONE, TWO] = [pageIndex(1), pageIndex(2)];
const destructive = (files?: MemorySegmentFiles) => withPool(files, EPHEMERAL_PRIVATE);
const inclusive = (files?: MemorySegmentFiles) => withPool(files, EPHEMERAL_PRIVATE, { inclusive: true });

describe('get', () => {
  test('R26, R27: a get of a private ephemeral page hands it over and takes it out', () => {
    const made = destructive();
    keep(made, ONE, 1);
    expectVersion(made.store, made.pool, ONE, 1);
    expectMissing(made, ONE);
    made.store.tmem.commit();
    expectMissing(made, ONE);
    assert.deepEqual([made.pool.pages, made.pool.objects, made.store.engine.liveBytes], [0, 0, 0]);
  });

  test('R27, R40: also in the batch that put it, and where that batch cannot be written', () => {
    const files = new FailingFiles();
    const made = destructive(files);
    put(made.store, made.pool, ONE, 1);
    expectVersion(made.store, made.pool, ONE, 1);
    expectMissing(made, ONE);
    made.store.tmem.commit();
    expectMissing(made, ONE);

    keep(made, ONE, 2);
    expectVersion(made.store, made.pool, ONE, 2);
    put(made.store, made.pool, TWO, 3);
    files.failures = 1;
    assert.equal(made.store.tmem.commit(), CommitOutcome.fault);
    expectMissing(made, ONE);
    expectMissing(made, TWO);
  });

  test('R28: an inclusive pool keeps what is got', () => {
    const made = inclusive();
    keep(made, ONE, 1);
    for (let get = 0; get < 3; get++) expectVersion(made.store, made.pool, ONE, 1);
  });

  test('R30: a get of a pool that holds no page says so, and is not counted', () => {
    const { store: small, client, pool } = destructive();
    assert.equal(small.tmem.get(client, pool.id, OBJECT, ONE, small.target), TmemStatus.empty);
    assert.equal(pool.statistics.gets, 0);
    put(small, pool, ONE, 1);
    assert.equal(small.tmem.get(client, pool.id, OBJECT, TWO, small.target), TmemStatus.missing);
    assert.equal(pool.statistics.gets, 1);
  });

  test('R32: the page is copied before it is deleted: what cannot be read is a miss, and deleted all the same', () => {
    const files = new MemorySegmentFiles();
    const made = destructive(files);
    keep(made, ONE, 1, 'random');
    for (const { slot } of files.list()) files.fileOf(slot).fill(0xff, 1024);
    writeVersion(made.store.kernel, made.store.target, 9);
    expectMissing(made, ONE);
    made.store.tmem.commit();
    assert.deepEqual([made.pool.pages, made.pool.statistics.verifyFailures], [0, 1]);
  });
});

describe('put', () => {
  test('R13: nothing of it is there after a restart, while persistent pages of the same client are', () => {
    const files = new MemorySegmentFiles();
    const made = destructive(files);
    const kept = made.client.pools[made.store.tmem.createPool(made.client, 'swap0', PERSISTENT_PRIVATE)]!;
    put(made.store, made.pool, ONE, 1);
    put(made.store, kept, ONE, 2);
    made.store.tmem.commit();
    const after = openSmallStore(files);
    const pools = after.tmem.clients.get('vm1')!.pools;
    assert.deepEqual(
      pools.map((pool) => pool?.name),
      ['swap0'],
    );
    expectVersion(after, pools[0]!, ONE, 2);
  });

  for (const [kind, make] of Object.entries({ destructive, inclusive })) {
    test(`R15, R18: ${kind}: a duplicate put replaces the page`, () => {
      const made = make();
      keep(made, ONE, 1);
      keep(made, ONE, 2, 'random');
      assert.deepEqual([made.pool.pages, made.pool.statistics.duplicatesReplaced], [1, 1]);
      expectVersion(made.store, made.pool, ONE, 2, 'random');
    });

    test(`R15: ${kind}: a duplicate put that fails with its batch leaves neither page`, () => {
      const files = new FailingFiles();
      const made = make(files);
      keep(made, ONE, 1);
      put(made.store, made.pool, ONE, 2);
      files.failures = 1;
      assert.equal(made.store.tmem.commit(), CommitOutcome.fault);
      expectMissing(made, ONE);
      assert.deepEqual([made.pool.pages, made.pool.objects, made.store.engine.liveBytes], [0, 0, 0]);
    });

    test(`R22: ${kind}: a page that is not in memory is a fault, and takes the old page of a duplicate with it`, () => {
      const made = make();
      keep(made, ONE, 1);
      assert.equal(made.pool.put(OBJECT, ONE, badAddress(made.store.kernel)), TmemStatus.fault);
      made.store.tmem.commit();
      expectMissing(made, ONE);
    });

    test(`R34, R35, R37: ${kind}: flushed pages, ranges and objects are gone, and so is their object`, () => {
      const made = make();
      const flushes: ((pool: TmemPool) => void)[] = [
        (pool) => pool.flushPage(OBJECT, ONE),
        (pool) => pool.flushRange(OBJECT, pageIndex(0), 1000),
        (pool) => pool.flushObject(OBJECT),
      ];
      for (const flush of flushes) {
        keep(made, ONE, 1);
        flush(made.pool);
        expectMissing(made, ONE);
        made.store.tmem.commit();
        expectMissing(made, ONE);
        assert.deepEqual([made.pool.pages, made.pool.objects, made.store.engine.liveBytes], [0, 0, 0]);
        flush(made.pool);
      }
    });
  }

  test('R16: refused for lack of room, a fresh put says "no memory"', () => {
    const made = inclusive();
    const full = fillPersistent(made);
    writeVersion(made.store.kernel, made.store.source, 1, 'random');
    assert.equal(made.pool.put(OBJECT, ONE, made.store.source), TmemStatus.noMemory);
    assert.equal(made.pool.statistics.putsNoMemory, 1);
    assert.ok(full > 100);
  });

  test('R15, R16, R17: a duplicate that does not compress and finds no room takes the old page with it', () => {
    const made = inclusive();
    const before = pageIndex(0);
    keep(made, before, 1, 'filled');
    fillPersistent(made);
    // Room is made by giving up the old page itself: then the put was a fresh one.
    writeVersion(made.store.kernel, made.store.source, 2, 'random');
    assert.notEqual(made.pool.put(OBJECT, before, made.store.source), TmemStatus.done);
    made.store.tmem.commit();
    expectMissing(made, before);
  });

  test('R76: a page that does not compress is stored as it is, and counted', () => {
    const made = inclusive();
    keep(made, ONE, 1, 'random');
    keep(made, TWO, 2, 'compressible');
    assert.equal(made.pool.stored.rawPages, 1);
    made.pool.flushPage(OBJECT, ONE);
    made.store.tmem.commit();
    assert.equal(made.pool.stored.rawPages, 0);
  });

  test('R26: a miss leaves the client’s page untouched', () => {
    const made = destructive();
    writeVersion(made.store.kernel, made.store.target, 5);
    expectMissing(made, ONE);
    assert.equal(pageAt(made.store.kernel, made.store.target), pageOf(made.store.kernel, made.store.source, 5));
  });
});

/** @returns pages that another client's persistent pool took until there was no room at all */
function fillPersistent({ store: small }: ReturnType<typeof withPool>): number {
  const client = small.tmem.client('other');
  const pool = client.pools[small.tmem.createPool(client, 'swap0', PERSISTENT_PRIVATE)]!;
  for (let page = 0; ; page++) {
    writeVersion(small.kernel, small.source, page, 'random');
    const status = pool.put(OBJECT, pageIndex(page), small.source);
    small.tmem.commit();
    if (status !== TmemStatus.done) return page;
  }
}
