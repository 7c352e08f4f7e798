/** Shared pools: who may join, what leaving takes along, and who answers for the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { expectVersion, OBJECT, poolOf, put } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { pageIndex } from '../base/ids.js';
import type { ObjectId } from './names.js';
import { EPHEMERAL_PRIVATE, EPHEMERAL_SHARED } from './pool-attributes.js';
import { INVALID_UUID } from './shared-pools.js';
import { TmemStatus } from './status.js';
import type { TmemClient } from './tmem-client.js';
import type { TmemPool } from './tmem-pool.js';

const [ONE, TWO] = [pageIndex(1), pageIndex(2)];
const UUID = 0x0123456789abcdef0123456789abcdefn;

test('R28, R29, R59: whoever names the same uuid has the same pages, and gets keep them', () => {
  const store = openSmallStore();
  const [a, b] = [store.tmem.client('a'), store.tmem.client('b')];
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  poolOf(store, b, EPHEMERAL_PRIVATE);
  assert.equal(poolOf(store, b, EPHEMERAL_SHARED, { uuid: UUID }), pool);
  assert.equal(b.pools[1], pool, 'under a number of its own');
  put(store, pool, ONE, 1);
  store.tmem.commit();
  for (let get = 0; get < 2; get++) {
    assert.equal(store.tmem.get(b, 1, OBJECT, ONE, store.target), TmemStatus.done);
    assert.equal(store.tmem.get(a, 0, OBJECT, ONE, store.target), TmemStatus.done);
  }
});

test('R59: a client may join twice, and has the pool under two numbers', () => {
  const store = openSmallStore();
  const a = store.tmem.client('a');
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  assert.equal(poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID }), pool);
  put(store, pool, ONE, 1);
  store.tmem.commit();
  assert.equal(store.tmem.destroyPool(a, 0), TmemStatus.done);
  assert.equal(store.tmem.get(a, 0, OBJECT, ONE, store.target), TmemStatus.noDevice);
  assert.equal(store.tmem.get(a, 1, OBJECT, ONE, store.target), TmemStatus.done, 'R62: it has not left');
});

test('R58, R60: with an invalid uuid, or none, the client silently gets a private pool', () => {
  for (const uuid of [INVALID_UUID, INVALID_UUID + 1n, -1n, undefined]) {
    const store = openSmallStore();
    store.tmem.shared.isOpenToAll = true;
    const client = store.tmem.client('a');
    const id = store.tmem.createPool(client, 'p', EPHEMERAL_SHARED, uuid === undefined ? {} : { uuid });
    const pool = client.pools[id]!;
    assert.deepEqual(pool.attributes, { isPersistent: false, isShared: false, isInclusive: false });
    put(store, pool, ONE, 1);
    expectVersion(store, pool, ONE, 1);
    assert.equal(pool.get(OBJECT, ONE, store.target), TmemStatus.missing, 'R27: and a private one is destructive');
  }
});

test('R60, R61: a client that is not authorised gets a private pool, and the shared one stays out of its reach', () => {
  const store = openSmallStore();
  const { tmem } = store;
  const [a, thief] = [tmem.client('a'), tmem.client('thief')];
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  put(store, pool, ONE, 1);
  tmem.commit();
  const id = tmem.createPool(thief, 'p', EPHEMERAL_SHARED, { uuid: UUID });
  assert.ok(id >= 0);
  assert.notEqual(tmem.get(thief, id, OBJECT, ONE, store.target), TmemStatus.done);
  tmem.shared.isOpenToAll = true;
  const open = tmem.createPool(thief, 'q', EPHEMERAL_SHARED, { uuid: UUID });
  assert.equal(thief.pools[open], pool, 'unless all may join');
});

test('R61: sixteen authorisations a client; one withdrawn expels nobody', () => {
  const store = openSmallStore();
  const { tmem } = store;
  const a = tmem.client('a');
  for (let uuid = 0n; uuid < 16n; uuid++) assert.ok(tmem.authorise(a, uuid));
  assert.equal(tmem.authorise(a, 16n), false);
  assert.ok(tmem.authorise(a, 3n), 'one that it has is no other');
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: 3n });
  tmem.deauthorise(a, 3n);
  assert.ok(tmem.authorise(a, 16n));
  put(store, pool, ONE, 1);
  tmem.commit();
  expectVersion(store, pool, ONE, 1);
  const again = tmem.createPool(a, 'p', EPHEMERAL_SHARED, { uuid: 3n });
  assert.notEqual(a.pools[again], pool);
});

test('R62: whoever leaves takes along the objects that it put or got last, and no others', () => {
  const store = openSmallStore();
  const { tmem } = store;
  const [a, b] = [tmem.client('a'), tmem.client('b')];
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  poolOf(store, b, EPHEMERAL_SHARED, { uuid: UUID });
  writeVersion(store.kernel, store.source, 1);
  for (const object of [1n, 2n, 3n]) tmem.put(a, 0, object, ONE, store.source);
  tmem.put(b, 0, 4n, ONE, store.source);
  tmem.commit();
  tmem.get(b, 0, 2n, ONE, store.target);
  tmem.get(a, 0, 4n, ONE, store.target);
  assert.equal(tmem.destroyPool(b, 0), TmemStatus.done);
  const found = [1n, 2n, 3n, 4n].filter((object) => pool.has(object, ONE));
  assert.deepEqual(found, [1n, 3n, 4n], 'the putter counts, not the owner');
});

test('R63: when the owner leaves, the first that remains owns the pool and its pages, and no other pool’s', () => {
  const store = openSmallStore();
  const { tmem } = store;
  const [a, b, c] = ['a', 'b', 'c'].map((name) => tmem.client(name)) as [TmemClient, TmemClient, TmemClient];
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  const own = poolOf(store, a, EPHEMERAL_PRIVATE, { inclusive: true });
  for (const client of [b, c]) poolOf(store, client, EPHEMERAL_SHARED, { uuid: UUID });
  writeVersion(store.kernel, store.source, 1);
  tmem.put(b, 0, OBJECT, ONE, store.source);
  put(store, own, TWO, 2);
  tmem.commit();
  assert.deepEqual([a.ephemeralPages, b.ephemeralPages, c.ephemeralPages], [2, 0, 0]);
  tmem.destroyPool(a, 0);
  assert.equal(pool.owner, b);
  assert.deepEqual([a.ephemeralPages, b.ephemeralPages, c.ephemeralPages], [1, 1, 0]);
  expectVersion(store, own, TWO, 2);
});

test('R64: with the last member the pool is freed, whoever used its objects, and the uuid is forgotten', () => {
  const store = openSmallStore();
  const { tmem } = store;
  const [a, b] = [tmem.client('a'), tmem.client('b')];
  const pool = poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  poolOf(store, b, EPHEMERAL_SHARED, { uuid: UUID });
  writeVersion(store.kernel, store.source, 1);
  tmem.put(a, 0, 1n, ONE, store.source);
  tmem.commit();
  tmem.destroyPool(b, 0);
  tmem.destroyPool(a, 0);
  assert.deepEqual([store.engine.liveBytes, store.engine.pools.size], [0, 0]);
  const next = poolOf(store, b, EPHEMERAL_SHARED, { uuid: UUID });
  assert.notEqual(next, pool);
  assert.equal(next.has(1n, ONE), false);
});

test('R59-R64: joining, using, leaving and dying in every order, twice per client, leaves what the last users left', () => {
  const anyStep = fc.record({
    what: fc.constantFrom('join', 'leave', 'put', 'get', 'flush', 'die'),
    who: fc.nat(2),
    which: fc.nat(1),
    object: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      const shared = new SharedModel(openSmallStore());
      for (const { what, who, which, object } of steps) shared[what](who, which, BigInt(object));
    }),
    { numRuns: 150 },
  );
});

test('R66: a frozen client puts nothing fresh into a shared pool, and its fellows do; it may get', () => {
  const store = openSmallStore();
  const { tmem } = store;
  const [a, b] = [tmem.client('a'), tmem.client('b')];
  poolOf(store, a, EPHEMERAL_SHARED, { uuid: UUID });
  poolOf(store, b, EPHEMERAL_SHARED, { uuid: UUID });
  a.frozen = true;
  writeVersion(store.kernel, store.source, 1);
  assert.equal(tmem.put(a, 0, OBJECT, ONE, store.source), TmemStatus.frozen);
  assert.equal(tmem.put(b, 0, OBJECT, ONE, store.source), TmemStatus.done, 'although the owner is frozen');
  assert.equal(tmem.get(a, 0, OBJECT, ONE, store.target), TmemStatus.done);
  assert.equal(tmem.put(a, 0, OBJECT, ONE, store.source), TmemStatus.done, 'R20: no fresh one');
});

test('R66, R67: "all" freezes and thaws the clients that there are, not those that come', () => {
  const { tmem } = openSmallStore();
  const a = tmem.client('a');
  tmem.setFrozen(true);
  assert.deepEqual([a.frozen, tmem.client('b').frozen], [true, false]);
  assert.equal(tmem.createPool(a, 'p', EPHEMERAL_PRIVATE), TmemStatus.frozen);
  tmem.setFrozen(false);
  assert.equal(a.frozen, false);
});

/** One shared pool and three clients, as the rules have it: who is a member, and who used each object last. */
class SharedModel {
  readonly #store: SmallStore;
  readonly #members: TmemClient[] = [];
  readonly #lastUser = new Map<ObjectId, TmemClient>();

  constructor(store: SmallStore) {
    this.#store = store;
    store.tmem.shared.isOpenToAll = true;
  }

  join(who: number): void {
    const client = this.#client(who);
    if (this.#idsOf(client).length === 2) return;
    poolOf(this.#store, client, EPHEMERAL_SHARED, { uuid: UUID });
    this.#members.push(client);
    this.#check();
  }

  leave(who: number, which: number): void {
    const client = this.#client(who);
    const id = this.#idsOf(client)[which];
    if (id === undefined) return;
    assert.equal(this.#store.tmem.destroyPool(client, id), TmemStatus.done);
    const ofClient = this.#members.map((each, at) => (each === client ? at : -1)).filter((at) => at !== -1);
    this.#members.splice(ofClient[which]!, 1);
    this.#left(client);
  }

  die(who: number): void {
    const client = this.#client(who);
    assert.equal(this.#store.tmem.removeClient(client), TmemStatus.done);
    for (let at = this.#members.length - 1; at >= 0; at--)
      if (this.#members[at] === client) this.#members.splice(at, 1);
    this.#left(client);
  }

  put(who: number, which: number, object: ObjectId): void {
    const client = this.#client(who);
    const id = this.#idsOf(client)[which];
    if (id === undefined) return;
    writeVersion(this.#store.kernel, this.#store.source, 1);
    assert.equal(this.#store.tmem.put(client, id, object, ONE, this.#store.source), TmemStatus.done);
    this.#lastUser.set(object, client);
    this.#check();
  }

  get(who: number, which: number, object: ObjectId): void {
    const client = this.#client(who);
    const id = this.#idsOf(client)[which];
    if (id === undefined) return;
    const status = this.#store.tmem.get(client, id, object, ONE, this.#store.target);
    assert.equal(status === TmemStatus.done, this.#lastUser.has(object));
    if (status === TmemStatus.done) this.#lastUser.set(object, client);
  }

  flush(who: number, which: number, object: ObjectId): void {
    const client = this.#client(who);
    const id = this.#idsOf(client)[which];
    if (id === undefined) return;
    this.#store.tmem.flushObject(client, id, object);
    this.#lastUser.delete(object);
    this.#check();
  }

  #left(client: TmemClient): void {
    if (this.#members.length === 0) this.#lastUser.clear();
    else if (!this.#members.includes(client)) {
      for (const [object, user] of this.#lastUser) if (user === client) this.#lastUser.delete(object);
    }
    this.#check();
  }

  #check(): void {
    this.#store.tmem.commit();
    const pool = this.#pool();
    assert.equal(pool?.owner, this.#members[0]);
    assert.deepEqual(
      pool?.members.map(({ client }) => client.name) ?? [],
      this.#members.map(({ name }) => name),
    );
    const found = [0n, 1n, 2n, 3n].filter((object) => pool?.has(object, ONE) === true);
    assert.deepEqual(new Set(found), new Set(this.#lastUser.keys()));
    assert.equal(this.#store.engine.liveBytes, pool?.stored.storedBytes ?? 0);
  }

  #pool(): TmemPool | undefined {
    return this.#store.tmem.shared.find(UUID);
  }

  #client(who: number): TmemClient {
    return this.#store.tmem.client('abc'[who]!);
  }

  #idsOf(client: TmemClient): number[] {
    return client.pools.flatMap((pool, id) => (pool === undefined ? [] : [id]));
  }
}
