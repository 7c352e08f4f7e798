import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { FailingFiles } from '../../test/support/failing-files.js';
import { expectVersion, OBJECT, put, withPool } from '../../test/support/small-pool.js';
import { openSmallStore, badAddress, pageAt, pageOf, writeVersion } from '../../test/support/small-store.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import {
  ABI_VERSION,
  attributesOf,
  EPHEMERAL_PRIVATE,
  EPHEMERAL_SHARED,
  flagsOf,
  PERSISTENT_PRIVATE,
} from './pool-attributes.js';
import { TmemStatus } from './status.js';

const [ONE, TWO] = [pageIndex(1), pageIndex(2)];

describe('pools', () => {
  test('R1: a pool is persistent or ephemeral, private or shared, and stays what it was made', () => {
    const { tmem } = openSmallStore();
    const client = tmem.client('vm1');
    tmem.authorise(client, 5n);
    for (const flags of [PERSISTENT_PRIVATE, EPHEMERAL_PRIVATE, EPHEMERAL_SHARED]) {
      const pool = client.pools[tmem.createPool(client, `p${flags}`, flags, { uuid: 5n })]!;
      assert.equal(flagsOf(pool.attributes), flags);
      assert.equal(pool.name, `p${flags}`);
    }
  });

  test('R2: every word of flags makes a pool of just these attributes, or none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(0x1f), fc.nat(2 ** 32 - 1)), fc.nat(3), (low, version) => {
        const flags = (low & 0xffffff) | (version << 24);
        const attributes = attributesOf(flags, false);
        const isMade = version === ABI_VERSION && (low & 0xfffffc) === 0 && (low & 3) !== 3;
        assert.equal(attributes === undefined ? undefined : flagsOf(attributes), isMade ? flags : undefined);
      }),
    );
  });

  const refused: readonly [what: string, flags: number][] = [
    ['another version', 0x1 | (2 << 24)],
    ['no version', 0x1],
    ['shared and persistent', 0x3 | (ABI_VERSION << 24)],
    ['a precompressed pool', 0x5 | (ABI_VERSION << 24)],
    ['pages of 8 KiB', 0x11 | (ABI_VERSION << 24)],
    ['a reserved bit', 0x101 | (ABI_VERSION << 24)],
  ];
  for (const [what, flags] of refused) {
    test(`R2, R3: ${what} is not permitted`, () => {
      const { tmem } = openSmallStore();
      assert.equal(tmem.createPool(tmem.client('vm1'), 'swap0', flags), TmemStatus.notPermitted);
    });
  }

  test('R3: a client with all its pools gets no other', () => {
    const { tmem } = openSmallStore();
    const client = tmem.client('vm1');
    for (let id = 0; id < 1024; id++) assert.equal(tmem.createPool(client, `p${id}`, PERSISTENT_PRIVATE), id);
    assert.equal(tmem.createPool(client, 'one-more', PERSISTENT_PRIVATE), TmemStatus.notPermitted);
  });

  test('R4: the lowest free number becomes the pool id', () => {
    const { tmem } = openSmallStore();
    const client = tmem.client('vm1');
    for (const name of ['a', 'b', 'c']) tmem.createPool(client, name, PERSISTENT_PRIVATE);
    tmem.destroyPool(client, 1);
    assert.equal(tmem.createPool(client, 'd', PERSISTENT_PRIVATE), 1);
    assert.equal(tmem.createPool(client, 'e', PERSISTENT_PRIVATE), 3);
  });

  test('R5: a client appears with its first operation', () => {
    const { tmem } = openSmallStore();
    assert.equal(tmem.clients.size, 0);
    tmem.client('vm1');
    assert.deepEqual([...tmem.clients.keys()], ['vm1']);
  });

  test('R6: verbs on a pool that was never made find no device; destroying it finds nothing', () => {
    const { tmem, source, target } = openSmallStore();
    const client = tmem.client('vm1');
    assert.equal(tmem.put(client, 3, OBJECT, ONE, source), TmemStatus.noDevice);
    assert.equal(tmem.get(client, 3, OBJECT, ONE, target), TmemStatus.noDevice);
    assert.equal(tmem.flushPage(client, 3, OBJECT, ONE), TmemStatus.noDevice);
    assert.equal(tmem.flushObject(client, 3, OBJECT), TmemStatus.noDevice);
    assert.equal(tmem.destroyPool(client, 3), TmemStatus.missing);
  });

  test('R6, R7: destroying a pool makes its pages unreachable at once, and its id may be used again', () => {
    const { store, pool, client } = withPool();
    put(store, pool, ONE, 1);
    store.tmem.commit();
    assert.equal(store.tmem.destroyPool(client, pool.id), TmemStatus.done);
    const again = client.pools[store.tmem.createPool(client, 'swap0', PERSISTENT_PRIVATE)]!;
    assert.equal(again.id, pool.id);
    assert.equal(again.get(OBJECT, ONE, store.target), TmemStatus.missing);
  });

  test('R7: a destroyed pool does not come back with a restart', () => {
    const files = new MemorySegmentFiles();
    const { store, pool, client } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    store.tmem.destroyPool(client, pool.id);
    assert.equal(openSmallStore(files).tmem.clients.size, 0);
  });

  test('R9: when a client dies all its pools go, and nobody else’s', () => {
    const { store, pool, client } = withPool();
    const other = store.tmem.client('vm2');
    const kept = other.pools[store.tmem.createPool(other, 'swap0', PERSISTENT_PRIVATE)]!;
    put(store, pool, ONE, 1);
    put(store, kept, ONE, 2);
    store.tmem.commit();
    assert.equal(store.tmem.removeClient(client), TmemStatus.done);
    assert.deepEqual([...store.tmem.clients.keys()], ['vm2']);
    assert.equal(store.engine.segments.liveBytes, kept.stored.storedBytes);
    expectVersion(store, kept, ONE, 2);
  });
});

describe('put', () => {
  test('R10, R14: a put copies and is done with the client’s page when it returns', () => {
    const { store, pool } = withPool();
    put(store, pool, ONE, 1);
    writeVersion(store.kernel, store.source, 99);
    store.tmem.commit();
    expectVersion(store, pool, ONE, 1);
  });

  test('R11: a put may be refused, and the client is told', () => {
    const { store, pool, client } = withPool();
    client.capBytes = 0;
    assert.equal(put(store, pool, ONE, 1), TmemStatus.noMemory);
  });

  test('R12: a page stays until it is flushed, through any number of gets and a restart', () => {
    const files = new MemorySegmentFiles();
    const { store, pool } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    for (let get = 0; get < 3; get++) expectVersion(store, pool, ONE, 1);
    const after = openSmallStore(files);
    expectVersion(after, after.tmem.clients.get('vm1')!.pools[0]!, ONE, 1);
  });

  test('R15, R18: a duplicate put that succeeds replaces the page', () => {
    const { store, pool } = withPool();
    put(store, pool, ONE, 1);
    put(store, pool, ONE, 2);
    store.tmem.commit();
    expectVersion(store, pool, ONE, 2);
    assert.equal(pool.pages, 1);
  });

  test('R15, R16, R17: a compressed page, an incompressible duplicate, no room: refused with "no space", the old page gone too', () => {
    const { store, pool, client } = withPool();
    put(store, pool, ONE, 1, 'compressible');
    store.tmem.commit();
    client.capBytes = client.storedBytes;
    assert.equal(put(store, pool, ONE, 2, 'random'), TmemStatus.noSpace);
    store.tmem.commit();
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
    assert.equal(pool.statistics.duplicatesFlushed, 1);
  });

  test('R16: a fresh put that is refused says "no memory"', () => {
    const { store, pool, client } = withPool();
    put(store, pool, ONE, 1);
    store.tmem.commit();
    client.capBytes = client.storedBytes;
    assert.equal(put(store, pool, TWO, 2), TmemStatus.noMemory);
    expectVersion(store, pool, ONE, 1);
  });

  test('R15: when the batch of a duplicate put fails, old data does not stay behind', () => {
    const files = new FailingFiles();
    const { store, pool } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    put(store, pool, ONE, 2);
    files.failures = 1;
    assert.equal(store.tmem.commit(), CommitOutcome.fault);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
  });

  test('a replace that is refused, at once or by its batch, leaves the old page', () => {
    const files = new FailingFiles();
    const { store, pool, client } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    writeVersion(store.kernel, store.source, 2, 'random');
    assert.equal(pool.replace(OBJECT, ONE, store.source), TmemStatus.done);
    files.failures = 1;
    assert.equal(store.tmem.commit(), CommitOutcome.fault);
    expectVersion(store, pool, ONE, 1);
    client.capBytes = client.storedBytes;
    writeVersion(store.kernel, store.source, 3, 'random');
    assert.equal(pool.replace(OBJECT, ONE, store.source), TmemStatus.noSpace);
    expectVersion(store, pool, ONE, 1);
  });

  test('R22: a page that is not in memory is a fault, and takes the old page of a duplicate with it', () => {
    const { store, pool } = withPool();
    assert.equal(pool.put(OBJECT, ONE, badAddress(store.kernel)), TmemStatus.fault);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    assert.equal(pool.put(OBJECT, ONE, badAddress(store.kernel)), TmemStatus.fault);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
  });

  test('R23: a refused put leaves no object, no page table and no bytes behind', () => {
    const { store, pool, client } = withPool();
    client.capBytes = 0;
    const before = store.engine.metadataBytes;
    for (let index = 0; index < 1000; index++) put(store, pool, pageIndex(index * 1000), index);
    store.tmem.commit();
    assert.deepEqual([pool.objects, pool.pages, pool.stored.storedBytes, store.engine.liveBytes], [0, 0, 0, 0]);
    assert.equal(pool.stored.objects.size, 0);
    assert.ok(store.engine.metadataBytes - before < 200_000, `${store.engine.metadataBytes - before} bytes`);
  });

  test('R24: a put makes room before it begins: overwriting for ever never fills a store that has room', () => {
    const { store, pool } = withPool();
    for (let version = 0; version < 4000; version++) {
      assert.equal(put(store, pool, pageIndex(version % 100), version, 'random'), TmemStatus.done);
      assert.equal(store.tmem.commit(), CommitOutcome.done);
    }
    assert.ok(store.engine.segments.occupiedBytes <= 4 * 1024 * 1024);
  });

  test('R25: persistent pages count against the client’s own cap, in bytes as stored, and nobody else’s', () => {
    const { store, pool, client } = withPool();
    const other = store.tmem.client('vm2');
    const free = other.pools[store.tmem.createPool(other, 'swap0', PERSISTENT_PRIVATE)]!;
    client.capBytes = 10_000;
    let stored = 0;
    while (put(store, pool, pageIndex(stored), stored, 'random') === TmemStatus.done) stored++;
    store.tmem.commit();
    assert.equal(stored, 2);
    assert.ok(client.storedBytes <= 10_000);
    assert.equal(put(store, free, ONE, 1, 'random'), TmemStatus.done);
  });

  test('R25: puts of one batch count together', () => {
    const { store, pool, client } = withPool();
    client.capBytes = 3 * 4128;
    const statuses = [0, 1, 2, 3].map((index) => put(store, pool, pageIndex(index), index, 'random'));
    assert.deepEqual(statuses, [TmemStatus.done, TmemStatus.done, TmemStatus.done, TmemStatus.noMemory]);
  });
});

describe('get', () => {
  test('R26: a miss leaves the client’s page untouched', () => {
    const { store, pool } = withPool();
    writeVersion(store.kernel, store.target, 5);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
    assert.equal(pageAt(store.kernel, store.target), pageOf(store.kernel, store.source, 5));
  });

  test('R28: a get of a persistent page keeps it', () => {
    const { store, pool } = withPool();
    put(store, pool, ONE, 1);
    store.tmem.commit();
    expectVersion(store, pool, ONE, 1);
    expectVersion(store, pool, ONE, 1);
  });

  test('R41: puts and gets of one handle in one batch never mix two pages', () => {
    const { store, pool } = withPool();
    for (let version = 1; version < 20; version++) {
      put(store, pool, ONE, version, version % 2 === 0 ? 'random' : 'compressible');
      expectVersion(store, pool, ONE, version, version % 2 === 0 ? 'random' : 'compressible');
    }
    store.tmem.commit();
    expectVersion(store, pool, ONE, 19);
  });
});

describe('flush', () => {
  test('R34: after flush page a get misses until a new put', () => {
    const { store, pool } = withPool();
    put(store, pool, ONE, 1);
    store.tmem.commit();
    pool.flushPage(OBJECT, ONE);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
    store.tmem.commit();
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing);
    put(store, pool, ONE, 2);
    expectVersion(store, pool, ONE, 2);
  });

  test('R34: flush object does that for every page of the object, and for no other object', () => {
    const { store, pool } = withPool();
    for (const index of [0, 1, 2 ** 32 - 1]) put(store, pool, pageIndex(index), index);
    writeVersion(store.kernel, store.source, 8);
    pool.put(8n, ONE, store.source);
    store.tmem.commit();
    pool.flushObject(OBJECT);
    store.tmem.commit();
    for (const index of [0, 1, 2 ** 32 - 1]) {
      assert.equal(pool.get(OBJECT, pageIndex(index), store.target), TmemStatus.missing);
    }
    assert.equal(pool.get(8n, ONE, store.target), TmemStatus.done);
  });

  test('a flush whose batch fails has not happened', () => {
    const files = new FailingFiles();
    const { store, pool } = withPool(files);
    put(store, pool, ONE, 1);
    store.tmem.commit();
    for (const flush of [() => pool.flushPage(OBJECT, ONE), () => pool.flushObject(OBJECT)]) {
      flush();
      files.failures = 1;
      assert.equal(store.tmem.commit(), CommitOutcome.fault);
      expectVersion(store, pool, ONE, 1);
    }
  });

  test('R35: flushing what is not there is success', () => {
    const { pool } = withPool();
    assert.equal(pool.flushPage(OBJECT, ONE), TmemStatus.done);
    assert.equal(pool.flushObject(OBJECT), TmemStatus.done);
  });

  test('R37: an object that loses its last page disappears', () => {
    const { store, pool } = withPool();
    put(store, pool, ONE, 1);
    put(store, pool, TWO, 2);
    store.tmem.commit();
    pool.flushPage(OBJECT, ONE);
    store.tmem.commit();
    assert.equal(pool.objects, 1);
    pool.flushPage(OBJECT, TWO);
    store.tmem.commit();
    assert.equal(pool.objects, 0);
  });
});
