/** Equal pages of one trust domain, as tmem promises them (R78-R81): who pays, who sees what, and what others' ends leave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { expectVersion, OBJECT, poolOf, put } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore, type Texture, writeVersion } from '../../test/support/small-store.js';
import { AssertionError } from '../base/assert.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { GuestAccount } from '../base/guest-account.js';
import { pageIndex } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB, MIB } from '../base/units.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { ClientCredit } from './client-credit.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const [ONE, TWO, THREE] = [pageIndex(1), pageIndex(2), pageIndex(3)];

/** What a page that does not compress is charged where it may be shared: its record, and a mark. */
const RAW_CHARGE = 4096 + 32 + 48;

test('R77, R78: a cap binds on content and mark, whether or not another has the page already', () => {
  for (const isThere of [false, true]) {
    const { store, a, b } = tenants();
    for (const page of [1, 2, 3]) if (isThere) put(store, b, pageIndex(page), page, 'random');
    store.tmem.commit();
    a.owner.capBytes = 3 * RAW_CHARGE - 1;
    assert.equal(put(store, a, ONE, 1, 'random'), TmemStatus.done);
    assert.equal(put(store, a, TWO, 2, 'random'), TmemStatus.done);
    assert.equal(put(store, a, THREE, 3, 'random'), TmemStatus.noMemory);
    a.owner.capBytes++;
    assert.equal(put(store, a, THREE, 3, 'random'), TmemStatus.done);
    store.tmem.commit();
    assert.equal(a.owner.storedBytes, a.owner.capBytes);
    assert.deepEqual([a.statistics.putsOverCap, a.stored.sharedPages], [1, 3]);
  }
});

test('R15, R78: a duplicate put over the cap flushes the old page of its own pool, and of no other', () => {
  const { store, a, b } = tenants();
  put(store, a, ONE, 1, 'compressible');
  put(store, b, ONE, 1, 'compressible');
  store.tmem.commit();
  a.owner.capBytes = a.owner.storedBytes;
  assert.equal(put(store, a, ONE, 2, 'random'), TmemStatus.noSpace);
  store.tmem.commit();
  assert.equal(a.get(OBJECT, ONE, store.target), TmemStatus.missing);
  expectVersion(store, b, ONE, 1);
  assert.equal(store.engine.sharing.savedBytes, 0);
});

interface Step {
  readonly verb: 'put' | 'replace' | 'flush' | 'get' | 'freeze' | 'commit';
  readonly page: number;
  readonly version: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.constantFrom('put', 'put', 'put', 'replace', 'flush', 'get', 'freeze', 'commit'),
  page: fc.nat(7),
  version: fc.integer({ min: 1, max: 6 }),
});

test('R78, R81: nothing that a client is answered, counts or is charged depends on what others of its domain store', () => {
  const steps = fc.array(fc.record({ own: step, others: fc.array(step, { maxLength: 4 }) }), { maxLength: 120 });
  fc.assert(
    fc.property(steps, (all) => {
      const [alone, beside] = [tenants(), tenants()];
      for (const { own, others } of all) {
        for (const each of others) act(beside.store, beside.b, each);
        assert.equal(act(alone.store, alone.a, own), act(beside.store, beside.a, own));
        for (const { store } of [alone, beside]) assert.equal(store.tmem.commit(), CommitOutcome.done);
        const [one, other] = [alone, beside].map(({ a }) => [
          a.owner.storedBytes,
          a.pages,
          a.stored.sharedPages,
          a.stored.sameFilledPages,
          a.statistics,
        ]);
        assert.deepEqual(one, other);
      }
    }),
    { seed: 81, numRuns: 40 },
  );
});

const ends: Readonly<Record<string, (of: Tenants) => void>> = {
  'flush of the page': ({ a }) => void a.flushPage(OBJECT, ONE),
  'flush of a range': ({ a }) => void a.flushRange(OBJECT, pageIndex(0), 100),
  'flush of the object': ({ a }) => void a.flushObject(OBJECT),
  'put of another page': ({ store, a }) => void put(store, a, ONE, 9),
  'freeze and flush': ({ a }) => {
    a.owner.frozen = true;
    assert.equal(a.flushPage(OBJECT, ONE), TmemStatus.frozen);
  },
  'end of the pool': ({ store, a }) => void store.tmem.destroyPool(a.owner, a.id),
  'end of the client': ({ store, a }) => void store.tmem.removeClient(a.owner),
};

for (const [what, end] of Object.entries(ends)) {
  test(`R7, R9, R78: the ${what} leaves the pages of all others that share it, their charges, and the content, after a restart too`, () => {
    const files = new MemorySegmentFiles();
    const before = tenants(files);
    for (const pool of [before.a, before.b, before.c]) {
      for (const page of [ONE, TWO]) put(before.store, pool, page, page);
    }
    before.store.tmem.commit();
    const charges = [before.b, before.c].map((pool) => pool.owner.storedBytes);
    end(before);
    before.store.tmem.commit();
    for (const { store, b, c } of [before, tenants(files)]) {
      for (const pool of [b, c]) for (const page of [ONE, TWO]) expectVersion(store, pool, page, page);
      assert.deepEqual(
        [b, c].map((pool) => pool.owner.storedBytes),
        charges,
      );
    }
  });
}

test('R20, R31: a frozen client may not add a page that others have, gets those it has, and others go on to share them', () => {
  const { store, a, b } = tenants();
  put(store, a, ONE, 1);
  put(store, b, TWO, 2);
  store.tmem.commit();
  a.owner.frozen = true;
  assert.equal(put(store, a, TWO, 2), TmemStatus.frozen);
  assert.equal(put(store, a, ONE, 2), TmemStatus.done);
  assert.equal(put(store, b, ONE, 2), TmemStatus.done);
  store.tmem.commit();
  expectVersion(store, a, ONE, 2);
  assert.equal(store.engine.sharing.contents, 1);
});

test('R78: ephemeral pools do not share', () => {
  const { store, a } = tenants();
  const cache = poolOf(store, a.owner, EPHEMERAL_PRIVATE);
  assert.throws(() => store.tmem.shareWithin(cache, 'tenant'), AssertionError);
  put(store, a, ONE, 1, 'random');
  put(store, cache, ONE, 1, 'random');
  store.tmem.commit();
  assert.deepEqual([cache.stored.sharedPages, cache.stored.storedBytes], [0, RAW_CHARGE - 48]);
  assert.deepEqual(store.engine.sharing, { contents: 1, savedBytes: 0 });
});

test('R79: what is shared is compressed as any page is, page by page', () => {
  const { store, a, b } = tenants();
  for (const pool of [a, b]) {
    put(store, pool, ONE, 1, 'compressible');
    put(store, pool, TWO, 2, 'random');
  }
  store.tmem.commit();
  const { liveBytes } = store.engine.segments;
  assert.ok(liveBytes < RAW_CHARGE + 1500, `${liveBytes} bytes`);
  for (const pool of [a, b]) {
    expectVersion(store, pool, ONE, 1, 'compressible');
    expectVersion(store, pool, TWO, 2, 'random');
  }
});

test('R80: zeros at the end of a page take no room and do not keep it from being shared; a page of zeros is no content', () => {
  const { store, a, b } = tenants();
  const { bytes } = store.kernel;
  for (const pool of [a, b]) {
    bytes.fill(0, store.source, store.source + 4096);
    assert.equal(pool.put(OBJECT, TWO, store.source), TmemStatus.done);
    for (let at = 0; at < 64; at++) bytes[store.source + at] = 7 * at + 1;
    assert.equal(pool.put(OBJECT, ONE, store.source), TmemStatus.done);
  }
  store.tmem.commit();
  assert.deepEqual([a.stored.sameFilledPages, a.stored.sharedPages, store.engine.sharing.contents], [1, 1, 1]);
  assert.ok(store.engine.segments.liveBytes < 2 * (32 + 48) + 32 + 128);
});

test('R81: in another domain from now on, or in none, a pool keeps what it shared, and shares nothing more with the old one', () => {
  for (const domain of ['other', null]) {
    const { store, a, b } = tenants();
    put(store, a, ONE, 1);
    put(store, b, ONE, 1);
    store.tmem.commit();
    store.tmem.shareWithin(a, domain);
    put(store, a, TWO, 2);
    put(store, b, TWO, 2);
    store.tmem.commit();
    const { savedBytes, contents } = store.engine.sharing;
    assert.equal(savedBytes, a.owner.storedBytes + b.owner.storedBytes - store.engine.segments.liveBytes);
    assert.equal(contents, domain === null ? 2 : 3);
    a.flushPage(OBJECT, ONE);
    store.tmem.commit();
    assert.equal(store.engine.sharing.savedBytes, 0);
    for (const page of [ONE, TWO]) expectVersion(store, b, page, page);
    expectVersion(store, a, TWO, 2);
  }
});

test('charges, shared pages and what is saved are after a restart what they were, and caps still bind on them', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), step), { maxLength: 80 }), fc.boolean(), (steps, closes) => {
      const files = new MemorySegmentFiles();
      const before = tenants(files);
      for (const [which, each] of steps) act(before.store, [before.a, before.b, before.stranger][which]!, each);
      before.store.tmem.commit();
      const told = figures(before);
      if (closes) before.store.engine.close();
      const after = tenants(files);
      assert.deepEqual(figures(after), told);
      after.a.owner.capBytes = after.a.owner.storedBytes;
      after.a.owner.frozen = false;
      assert.equal(put(after.store, after.a, pageIndex(50), 1), TmemStatus.noMemory);
      after.store.tmem.commit();
    }),
    { seed: 77, numRuns: 60 },
  );
});

test('R25: a page that may be shared is not refused for want of lent credit while the account has some', () => {
  const { store, a } = tenants();
  a.owner.capBytes = MIB;
  // What is lent already falls short of the page by all that it can.
  for (let lent = RAW_CHARGE - 100; lent <= RAW_CHARGE; lent++) {
    const account = GuestAccount.of(1, 1);
    account.repay(MIB);
    a.owner.credit = new ClientCredit(account, MIB, lent);
    assert.equal(put(store, a, ONE, 1, 'random'), TmemStatus.done, `${lent} bytes are lent`);
    store.tmem.commit();
    assert.equal(a.owner.storedBytes, RAW_CHARGE);
    a.flushPage(OBJECT, ONE);
    store.tmem.commit();
  }
});

interface Tenants {
  readonly store: SmallStore;
  /** Of three clients in one domain, and of one in another. */
  readonly a: TmemPool;
  readonly b: TmemPool;
  readonly c: TmemPool;
  readonly stranger: TmemPool;
}

/** Pools that are in the files are found again. */
function tenants(files: SegmentFiles = new MemorySegmentFiles()): Tenants {
  const store = openSmallStore(files);
  const [a, b, c, stranger] = ['vm1', 'vm2', 'vm3', 'vm4'].map((name) => {
    const client = store.tmem.client(name);
    const pool = client.pools[0] ?? poolOf(store, client, PERSISTENT_PRIVATE);
    store.tmem.shareWithin(pool, name === 'vm4' ? 'other' : 'tenant');
    return pool;
  });
  return { store, a: a!, b: b!, c: c!, stranger: stranger! };
}

const TEXTURES: readonly Texture[] = ['filled', 'compressible', 'random'];

function act(store: SmallStore, pool: TmemPool, { verb, page, version }: Step): TmemStatus | CommitOutcome {
  const index = pageIndex(page);
  pool.owner.capBytes = 24 * KIB;
  switch (verb) {
    case 'put':
      return put(store, pool, index, version, TEXTURES[version % 3]);
    case 'replace':
      writeVersion(store.kernel, store.source, version, TEXTURES[version % 3]);
      return pool.replace(OBJECT, index, store.source);
    case 'flush':
      return pool.flushPage(OBJECT, index);
    case 'get':
      return pool.get(OBJECT, index, store.target);
    case 'freeze':
      pool.owner.frozen = version % 3 === 0;
      return TmemStatus.done;
    default:
      return store.tmem.commit();
  }
}

function figures({ store, a, b, stranger }: Tenants): unknown {
  return [
    store.engine.sharing,
    ...[a, b, stranger].map(({ owner, pages, stored }) => [owner.storedBytes, pages, stored.sharedPages]),
  ];
}
