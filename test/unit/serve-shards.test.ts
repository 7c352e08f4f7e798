/** `workers = N` against the real daemon: several shards are one store, and changing their number loses nothing. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { GuestsDocument, PoolsDocument } from '../../src/base/changes.js';
import { MIB } from '../../src/base/units.js';
import { NbdError } from '../../src/wire/nbd/request.js';
import { NbdClient, NbdReplyError } from '../support/nbd-client.js';
import { patterned, rejects } from '../support/nbd-fixture.js';
import { arenaBytes, askReal, askRealJson, checkReal, serveReal, statusReal } from '../support/real-daemon.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const PAGE = 4096;
const EXPORTS = { 'vm1/a': '64MiB', 'vm1/b': '64MiB', 'vm2/a': '64MiB' };
const CAPACITY_MIB = 32;

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('pages are found again with more workers and with fewer, after stops and after kills', async () => {
  let version = 0;
  for (const [workers, end] of [
    [1, 'SIGKILL'],
    [2, 'SIGKILL'],
    [3, 'SIGTERM'],
    [1, 'SIGKILL'],
    [2, 'SIGTERM'],
    [1, 'SIGTERM'],
  ] as const) {
    await using daemon = await serve(workers);
    const { recovered } = await daemon.ready();
    assert.equal(recovered.pages, version === 0 ? 0 : 3 * 64);
    for (const name of Object.keys(EXPORTS)) {
      const client = await connect(name);
      if (version > 0) await expectPages(client, version);
      for (let page = 0; page < 64; page++) await client.write(page * PAGE, versionedPage(page, version + 1));
      client.destroy();
    }
    version++;
    const { guests, pools, arena } = await statusReal(places);
    assert.deepEqual(
      guests.map(({ name, persistent_pages: pages }) => [name, pages]),
      [
        ['vm1', 128],
        ['vm2', 64],
      ],
    );
    assert.deepEqual(pools.map(({ guest, name, pages }) => `${guest}/${name} ${pages}`).toSorted(), [
      'vm1/a 64',
      'vm1/b 64',
      'vm2/a 64',
    ]);
    assert.equal(new Set(pools.filter(({ guest }) => guest === 'vm1').map(({ id }) => id)).size, 2);
    assert.equal(arena.capacity_bytes, CAPACITY_MIB * MIB);
    await daemon.stop(end);
    const { code, stdout } = await checkReal(places);
    assert.deepEqual([code, /(\d+) pages/.exec(stdout)![1]], [0, '192'], stdout);
  }
});

test('what has no pages is spread over the workers, what has some is served where they are', async () => {
  await using first = await serve(1);
  const client = await connect('vm1/b');
  await client.write(0, patterned(PAGE));
  client.destroy();
  await first.stop();
  await using second = await serve(2);
  for (const name of ['vm1/a', 'vm2/a']) {
    const other = await connect(name);
    await other.write(0, patterned(PAGE));
    other.destroy();
  }
  await second.stop();
  // vm1/b is in the first part, so the others begin with the second.
  assert.deepEqual(await pagesByPart(), [2, 1]);
});

test('the part of a worker that is no more goes when its last page has gone, and not before', async () => {
  await using first = await serve(3);
  for (const name of Object.keys(EXPORTS)) {
    const client = await connect(name);
    await client.write(0, patterned(PAGE));
    client.destroy();
  }
  await first.stop('SIGKILL');
  assert.deepEqual(
    readdirSync(places.arena).filter((name) => name.startsWith('shard-')),
    ['shard-0', 'shard-1', 'shard-2'],
  );
  await using second = await serve(1);
  const client = await connect('vm2/a');
  assert.ok((await client.read(0, PAGE)).equals(patterned(PAGE)));
  await client.trim(0, PAGE);
  client.destroy();
  await second.stop('SIGKILL');
  await using third = await serve(1);
  assert.deepEqual(
    readdirSync(places.arena)
      .filter((name) => name !== 'owner.json')
      .toSorted(),
    ['shard-0', 'shard-1'],
  );
  const again = await connect('vm2/a');
  assert.ok((await again.read(0, PAGE)).every((byte) => byte === 0));
  await again.write(0, patterned(PAGE, 1));
  again.destroy();
  await third.stop();
});

test('a cap binds over all workers, and what is freed with one can be stored with another', async () => {
  await using daemon = await serve(2);
  const clients = [await connect('vm1/a'), await connect('vm1/b')];
  const capBytes = 100 * 4128;
  await askReal(places, 'guest', 'set', 'vm1', `cap=${capBytes}`);
  let stored = 0;
  for (let page = 0; page < 80; page++) {
    for (const client of clients) stored += (await accepts(client, page)) ? 1 : 0;
  }
  // What one of them may keep for its next page is lost to the other.
  assert.ok(stored >= 97 && stored <= 100, `${stored} pages`);
  assert.ok((await storedBytes('vm1')) <= capBytes);
  await clients[0]!.trim(0, 80 * PAGE);
  let more = 0;
  for (let page = 100; page < 160; page++) more += (await accepts(clients[1]!, page)) ? 1 : 0;
  assert.ok(more >= 40, `${more} pages`);
  assert.ok((await storedBytes('vm1')) <= capBytes);

  // Below what there is: nothing grows, nowhere.
  await askReal(places, 'guest', 'set', 'vm1', 'cap=50000');
  for (const client of clients) await rejects(client.write(1000 * PAGE, incompressible(1)), NbdError.noSpace);
  const other = await connect('vm2/a');
  await other.write(0, patterned(PAGE));
  await askReal(places, 'guest', 'set', 'vm1', 'cap=none');
  for (const client of clients) await client.write(1000 * PAGE, incompressible(1));
  for (const client of [...clients, other]) client.destroy();
  assert.equal((await daemon.stop()).code, 0);
});

test('one capacity is for all: what one worker has freed the other can store at once, and a full store is full for both', async () => {
  await using daemon = await serve(2);
  const [a, b] = [await connect('vm1/a'), await connect('vm1/b')];
  const inA = await fill(a, 0);
  assert.ok(inA * 4128 > 0.7 * CAPACITY_MIB * MIB, `${inA} pages`);
  const tail = await fill(b, 0);
  assert.ok(tail < inA / 3, `${tail} pages of the other`);
  assert.ok(arenaBytes(places) <= CAPACITY_MIB * MIB);
  // Every second page, so that no segment is free: the first worker has to clean before it can give anything up.
  for (let page = 0; page < inA; page += 2) await a.trim(page * PAGE, PAGE);
  const inB = await fill(b, tail);
  assert.ok(inB > 0.4 * inA, `${inB} of ${inA} pages`);
  assert.ok(arenaBytes(places) <= CAPACITY_MIB * MIB);
  for (let page = 1; page < inA; page += 2)
    assert.ok((await a.read(page * PAGE, PAGE)).equals(incompressible(page)), `page ${page}`);
  for (const client of [a, b]) client.destroy();
  assert.equal((await daemon.stop()).code, 0);
});

test('a guest with disks of two workers is frozen, thawed and removed as one', async () => {
  await using daemon = await serve(2);
  const [a, b, other] = [await connect('vm1/a'), await connect('vm1/b'), await connect('vm2/a')];
  for (const client of [a, b, other]) await client.write(0, patterned(PAGE));
  await askReal(places, 'guest', 'freeze', 'vm1');
  for (const client of [a, b]) await rejects(client.write(5 * PAGE, patterned(PAGE)), NbdError.noSpace);
  await other.write(5 * PAGE, patterned(PAGE));
  await askReal(places, 'guest', 'thaw', 'vm1');
  for (const client of [a, b]) await client.write(5 * PAGE, patterned(PAGE));
  b.destroy();
  const refused = await askReal(places, 'guest', 'remove', 'vm1');
  assert.match(refused.stderr, /E_IN_USE: a client is connected to vm1\/a and would lose its disks/);
  assert.ok((await a.read(0, PAGE)).equals(patterned(PAGE)));
  a.destroy();
  const removed = await askReal(places, 'guest', 'remove', 'vm1', '--force');
  assert.equal(removed.code, 0, removed.stderr);
  const { guests } = await askRealJson<GuestsDocument>(places, 'guest', 'list');
  assert.deepEqual(
    guests.map(({ name }) => name),
    ['vm2'],
  );
  assert.ok(!existsSync(socketOf('vm1/a')) && !existsSync(socketOf('vm1/b')));
  other.destroy();
  await daemon.stop('SIGKILL');
  await using again = await serve(2);
  assert.equal((await again.ready()).recovered.pages, 2);
});

test('a pool is flushed and destroyed where it is, whichever worker that is', async () => {
  await using daemon = await serve(2);
  for (const name of Object.keys(EXPORTS)) {
    const client = await connect(name);
    await client.write(0, patterned(PAGE));
    client.destroy();
  }
  for (const pool of ['a', 'b']) {
    const flushed = await askReal(places, 'pool', 'flush', 'vm1', pool);
    assert.match(flushed.stdout, /1 page/, flushed.stderr);
  }
  await askReal(places, 'export', 'remove', 'vm1/b');
  assert.equal((await askReal(places, 'pool', 'destroy', 'vm1', 'b')).code, 0);
  const { pools } = await askRealJson<PoolsDocument>(places, 'pool', 'list');
  assert.deepEqual(pools.map(({ guest, name }) => `${guest}/${name}`).toSorted(), ['vm1/a', 'vm2/a']);
  assert.equal((await daemon.stop()).code, 0);
});

test('two parts with pages of one pool are refused, and named', async () => {
  await using daemon = await serve(1);
  const client = await connect('vm1/a');
  await client.write(0, patterned(PAGE));
  client.destroy();
  await daemon.stop();
  cpSync(path.join(places.arena, 'shard-0'), path.join(places.arena, 'shard-1'), { recursive: true });
  const { code, stderr } = await start(2).ended;
  assert.equal(code, 1);
  assert.match(stderr, /E_ARENA_DAMAGED: pool vm1\/a has pages in shard-0 and in shard-1 of the arena/);
});

test('a worker that is new to a full arena is left out, and everything is served', async () => {
  await using first = await serve(1);
  const client = await connect('vm1/a');
  const pages = await fill(client, 0);
  client.destroy();
  await first.stop('SIGKILL');
  await using second = await serve(2);
  await second.logged(/the arena is full, so worker 1 has nothing to serve/);
  const again = await connect('vm1/a');
  for (let page = 0; page < pages; page += 50)
    assert.ok((await again.read(page * PAGE, PAGE)).equals(incompressible(page)));
  again.destroy();
  (await connect('vm2/a')).destroy();
  assert.equal((await second.stop()).code, 0);
});

function start(workers: number): TmemProcess {
  return serveReal(places, { capacity: `${CAPACITY_MIB}MiB`, exports: EXPORTS, workers });
}

async function serve(workers: number): Promise<TmemProcess> {
  const daemon = start(workers);
  await daemon.ready();
  return daemon;
}

function socketOf(name: string): string {
  return path.join(places.runDir, `${name.replace('/', '-')}.nbd`);
}

function connect(name: string): Promise<NbdClient> {
  return NbdClient.connect(socketOf(name));
}

async function expectPages(client: NbdClient, version: number): Promise<void> {
  for (let page = 0; page < 64; page++)
    assert.ok((await client.read(page * PAGE, PAGE)).equals(versionedPage(page, version)), `page ${page}`);
}

function incompressible(page: number): Uint8Array {
  return versionedPage(page, 1);
}

async function accepts(client: NbdClient, page: number): Promise<boolean> {
  try {
    await client.write(page * PAGE, incompressible(page));
    return true;
  } catch (error) {
    if (error instanceof NbdReplyError && error.error === NbdError.noSpace) return false;
    throw error;
  }
}

/** Pages from `first` on until one is refused. @returns how many were taken */
async function fill(client: NbdClient, first: number): Promise<number> {
  let page = first;
  while (await accepts(client, page)) page++;
  return page - first;
}

async function storedBytes(guest: string): Promise<number> {
  const { guests } = await statusReal(places);
  return guests.find(({ name }) => name === guest)!.stored_bytes;
}

/** Of an arena that no daemon uses, by looking at each part as if it were alone. */
async function pagesByPart(): Promise<number[]> {
  const counts = [];
  for (const name of readdirSync(places.arena)
    .filter((each) => each.startsWith('shard-'))
    .toSorted()) {
    const alone = path.join(places.shm, `alone-${name}`);
    cpSync(path.join(places.arena, name), path.join(alone, 'shard-0'), { recursive: true });
    const { stdout } = await checkReal({ ...places, arena: alone });
    counts.push(Number(/(\d+) pages/.exec(stdout)![1]));
  }
  return counts;
}
