/** `tmem export` and `tmem pool` against the real daemon: disks come and go, pages stay until they are given up. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type {
  ExportRemovedDocument,
  ExportsDocument,
  PoolForgottenDocument,
  PoolsDocument,
} from '../../src/base/changes.js';
import type { ReadyDocument } from '../../src/base/status.js';
import { changeControl } from '../../src/client/control/control-client.js';
import { NbdClient } from '../support/nbd-client.js';
import { patterned } from '../support/nbd-fixture.js';
import { askReal, askRealJson, serveReal, statusReal } from '../support/real-daemon.js';
import { type Ended, makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';

const PAGE = 4096;

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('an export that is added is served at once, shown everywhere, and counted among what does not fit', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB' });
  const added = await askReal(places, 'export', 'add', 'new.guest-1/swap_0', '--size', '1GiB');
  const socket = path.join(places.runDir, 'new.guest-1-swap_0.nbd');
  assert.match(added.stdout, /^EXPORT .*\nnew\.guest-1\/swap_0 +swap +1GiB +0 +0 +0 +0B /);
  assert.ok(added.stdout.endsWith(`\nSocket: ${socket}\n`));
  const client = await NbdClient.connect(socket, { exportName: 'new.guest-1/swap_0' });
  await client.write(0, patterned(PAGE));
  assert.equal(client.sizeBytes, 2 ** 30);
  client.destroy();
  assert.deepEqual(readyExports(), ['vm1/a', 'new.guest-1/swap_0']);
  const status = await statusReal(places);
  assert.deepEqual(
    status.guests.map(({ name, state }) => [name, state]),
    [
      ['vm1', 'no-driver'],
      ['new.guest-1', 'no-driver'],
    ],
  );
  assert.ok(status.warnings.some(({ code }) => code === 'swap-over-capacity'));
  const { exports } = await askRealJson<ExportsDocument>(places, 'export', 'list');
  assert.deepEqual(
    exports.map(({ name, stored_pages: pages }) => [name, pages]),
    [
      ['vm1/a', 0],
      ['new.guest-1/swap_0', 1],
    ],
  );
  assert.equal((await daemon.stop()).code, 0);
  assert.ok(!existsSync(socket));
});

test('an export that is removed keeps its pages, and added again it has them', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB', 'vm1/b': '1MiB' });
  const client = await connect('vm1-a');
  await client.write(0, patterned(3 * PAGE));
  isRefused(
    await askReal(places, 'export', 'remove', 'vm1/a'),
    1,
    'E_IN_USE: a client is connected to vm1/a and would lose its disk: disconnect it first, or use --force',
  );
  assert.ok((await client.read(0, PAGE)).equals(patterned(3 * PAGE).subarray(0, PAGE)));
  client.destroy();
  await disconnected('vm1/a');
  const removed = await askReal(places, 'export', 'remove', 'vm1/a');
  assert.match(
    removed.stdout,
    /^Removed export vm1\/a; 3 pages are kept \("tmem pool destroy vm1\/a" gives them up\)\.\n/,
  );
  assert.match(removed.stdout, /\nThe config names it: take it out there too, /);
  assert.ok(!existsSync(path.join(places.runDir, 'vm1-a.nbd')));
  assert.deepEqual(readyExports(), ['vm1/b']);
  const { stdout } = await askReal(places, 'status');
  assert.match(stdout, /^warning: pool vm1\/a keeps 3 pages .* "tmem pool destroy vm1 a"$/m);
  await askReal(places, 'export', 'add', 'vm1/a', '--size', '2M');
  const again = await connect('vm1-a');
  assert.equal(again.sizeBytes, 2 ** 21);
  assert.ok((await again.read(0, 3 * PAGE)).equals(patterned(3 * PAGE)));
  const forced = await askRealJson<ExportRemovedDocument>(places, 'export', 'remove', 'vm1/a', '--force');
  assert.deepEqual(forced, { v: 1, export: 'vm1/a', kept_pages: 3, in_config: false });
  await assert.rejects(again.read(0, PAGE));
  assert.equal((await daemon.stop()).code, 0);
});

test('a reread of the config leaves an added export alone, and brings a removed one back', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB' });
  await askReal(places, 'export', 'add', 'vm1/late', '--size', '1M');
  await askReal(places, 'export', 'add', 'vm2/late', '--size', '1M');
  const client = await connect('vm2-late');
  await askReal(places, 'export', 'remove', 'vm1/a');
  daemon.signal('SIGHUP');
  await daemon.logged(/"added":\["vm1\/a"\],"removed":\[\]/);
  await client.write(0, patterned(PAGE));
  const { exports } = await askRealJson<ExportsDocument>(places, 'export', 'list');
  assert.deepEqual(exports.map(({ name }) => name).toSorted(), ['vm1/a', 'vm1/late', 'vm2/late']);
  client.destroy();
  await disconnected('vm2/late');
  // The guest came with its export and goes with it, its pages aside.
  await askReal(places, 'export', 'remove', 'vm2/late');
  const { guests } = await statusReal(places);
  assert.deepEqual(
    guests.map(({ name, state }) => [name, state]),
    [
      ['vm1', 'no-driver'],
      ['vm2', 'orphaned'],
    ],
  );
  assert.equal((await daemon.stop()).code, 0);
});

test('an export that cannot be added is refused with its reason, and nothing of it is left', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB' });
  const size = ['--size', '1M'];
  const inTheWay = path.join(places.runDir, 'vm1-b.nbd');
  mkdirSync(inTheWay);
  const long = 'g'.repeat(48);
  for (const [args, status, line] of [
    [['vm1/a', ...size], 1, 'E_IN_USE: export vm1/a is there already: choose another name, or remove it'],
    [['vm1/a-b', ...size], 2, 'E_USAGE: "a-b" is a bad name: an export is named with 1 to 16 letters, digits and "_"'],
    [['vm1', ...size], 2, 'E_USAGE: "vm1" names no export: write GUEST/NAME, as in "tmem status"'],
    [['vm1/a/b', ...size], 2, 'E_USAGE: "vm1/a/b" names no export: write GUEST/NAME, as in "tmem status"'],
    [
      ['vm1/b', ...size],
      1,
      `E_SOCKET_BUSY: ${inTheWay} is in the way and is not a socket: remove it, or use another run_dir`,
    ],
    [
      ['vm1/c', '--size', '17T'],
      2,
      `E_USAGE: option '--size <size>' argument '17T' is invalid. It is over the largest disk, 16 TiB: make it smaller.: see "tmem export --help"`,
    ],
  ] as const) {
    isRefused(await askReal(places, 'export', 'add', ...args), status, line);
  }
  for (const [guest, name] of [
    ['.x', 'a'],
    ['..', 'a'],
    ['vm1\u001B[31m', 'a'],
    ['g'.repeat(49), 'a'],
    ['vm1', '..'],
    ['vm1', 'e'.repeat(17)],
    ['vm1', 'a\n'],
  ] as const) {
    const there = `/api/v1/exports/${encodeURIComponent(guest)}/${encodeURIComponent(name)}`;
    await assert.rejects(changeControl(places.runDir, 'POST', there, { size_bytes: PAGE }), {
      code: 'E_USAGE',
      message: /^"[ -~]*" is a bad name: an? (?:guest|export) is named with /,
    });
  }
  const tooLong = await askReal(places, 'export', 'add', `${long}/${'e'.repeat(16)}`, ...size);
  if (path.join(places.runDir, `${long}-${'e'.repeat(16)}.nbd`).length > 107)
    assert.match(tooLong.stderr, /^tmem: E_SOCKET_PATH: .* at most 107: use a shorter run_dir\n$/);
  const { guests } = await statusReal(places);
  assert.ok(guests.every(({ name }) => name === 'vm1' || name === long));
  rmdirSync(inTheWay);
  assert.equal((await askReal(places, 'export', 'add', 'vm1/b', ...size)).code, 0);
  assert.equal((await daemon.stop()).code, 0);
});

test('a spill file is named by its whole path, is one export’s alone, and is not in the arena', async () => {
  const [own, other] = ['own', 'other'].map((name) => path.join(places.folder, `${name}.spill`));
  const exports = { 'vm1/a': '1MiB' };
  await using daemon = serveReal(places, { capacity: '64MiB', exports, spill: { 'vm1/a': own! } });
  await daemon.ready();
  const add = (spill: string): Promise<Ended> =>
    askReal(places, 'export', 'add', 'vm1/b', '--size', '1M', '--spill', spill);
  isRefused(
    await add('here.spill'),
    2,
    `E_USAGE: option '--spill <file>' argument 'here.spill' is invalid. It is not an absolute path: begin it with "/".: see "tmem export --help"`,
  );
  isRefused(await add(own!), 1, `E_IN_USE: the spill file ${own!} is that of export vm1/a: name another`);
  isRefused(
    await add(path.join(places.arena, 'x')),
    2,
    `E_USAGE: the spill file "${path.join(places.arena, 'x')}" is inside the arena ${places.arena}: name a file elsewhere, on a disk`,
  );
  await assert.rejects(
    changeControl(places.runDir, 'POST', '/api/v1/exports/vm1/b', { size_bytes: PAGE, spill: 'x' }),
    { code: 'E_USAGE', message: 'the spill file "x" is not an absolute path: begin it with "/"' },
  );
  assert.equal((await add(other!)).code, 0);
  const { exports: shown, ledger } = await statusReal(places);
  assert.deepEqual(
    [shown.map(({ name, spilled_pages: pages }) => [name, pages]), ledger.spill_bytes],
    [
      [
        ['vm1/a', 0],
        ['vm1/b', 0],
      ],
      0,
    ],
  );
  assert.equal((await daemon.stop()).code, 0);
});

test('an export or pool that is not there is not found, and the nearest is named', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB', 'vm2/swap0': '1MiB' });
  for (const [args, line] of [
    [['export', 'remove', 'vm2/swp0'], 'no export "vm2/swp0": the nearest is "vm2/swap0", "tmem status" lists all'],
    [['pool', 'flush', 'vm1', 'b'], 'no pool "vm1/b": the nearest is "vm1/a", "tmem status" lists all'],
    [['pool', 'destroy', 'vm3/swap0'], 'no pool "vm3/swap0": the nearest is "vm2/swap0", "tmem status" lists all'],
  ] as const) {
    isRefused(await askReal(places, ...args), 1, `E_NOT_FOUND: ${line}`);
  }
  assert.equal((await daemon.stop()).code, 0);
});

test('of those who add and remove one export at once, each is told what is so in its turn', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB' });
  const ended = await Promise.all([
    ...[1, 2].map(() => askReal(places, 'export', 'add', 'vm1/b', '--size', '1M')),
    ...[1, 2].map(() => askReal(places, 'export', 'remove', 'vm1/a')),
  ]);
  const done = ended.map(({ code }) => (code === 0 ? 1 : 0) as number);
  assert.deepEqual([done[0]! + done[1]!, done[2]! + done[3]!], [1, 1]);
  assert.ok(ended.every(({ code, stderr }) => code === 0 || /^tmem: E_(?:IN_USE|NOT_FOUND): /.test(stderr)));
  assert.deepEqual(readyExports(), ['vm1/b']);
  assert.equal((await daemon.stop()).code, 0);
});

test('a pool is flushed and stays; where a client is connected only by force, and the client reads zeros', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB', 'vm1/b': '1MiB' });
  const [a, b] = [await connect('vm1-a'), await connect('vm1-b')];
  await a.write(0, patterned(5 * PAGE));
  await b.write(0, patterned(PAGE));
  isRefused(
    await askReal(places, 'pool', 'flush', 'vm1', 'a'),
    1,
    'E_IN_USE: a client is connected to vm1/a and would read zeros where its pages were: disconnect it first, or use --force',
  );
  assert.ok((await a.read(0, 5 * PAGE)).equals(patterned(5 * PAGE)));
  const flushed = await askReal(places, 'pool', 'flush', 'vm1', 'a', '--force');
  assert.deepEqual([flushed.code, flushed.stdout], [0, 'Flushed pool vm1/a: 5 pages.\n']);
  assert.ok((await a.read(0, 5 * PAGE)).every((byte) => byte === 0));
  await a.write(0, patterned(PAGE, 1));
  assert.ok((await b.read(0, PAGE)).equals(patterned(PAGE)));
  a.destroy();
  b.destroy();
  await disconnected('vm1/b');
  const idle = await askRealJson<PoolForgottenDocument>(places, 'pool', 'flush', 'vm1/b');
  assert.deepEqual(idle, { v: 1, pool: 'vm1/b', pages: 1 });
  const { pools } = await askRealJson<PoolsDocument>(places, 'pool', 'list');
  assert.deepEqual(
    pools.map(({ guest, name, pages }) => [`${guest}/${name}`, pages]),
    [
      ['vm1/a', 1],
      ['vm1/b', 0],
    ],
  );
  const list = await askReal(places, 'pool', 'list');
  assert.match(list.stdout, /^POOL +KIND +PAGES .*\nvm1\/a +persistent +1 .*\nvm1\/b +persistent +0 .*\n$/);
  assert.equal((await daemon.stop()).code, 0);
});

test('a pool is destroyed when no export serves it, and what is added under its name is empty', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB', 'vm1/b': '1MiB' });
  const client = await connect('vm1-a');
  await client.write(0, patterned(2 * PAGE));
  client.destroy();
  isRefused(
    await askReal(places, 'pool', 'destroy', 'vm1', 'a'),
    1,
    'E_IN_USE: pool vm1/a is that of export vm1/a: remove the export first',
  );
  await disconnected('vm1/a');
  await askReal(places, 'export', 'remove', 'vm1/a');
  const destroyed = await askReal(places, 'pool', 'destroy', 'vm1', 'a');
  assert.deepEqual([destroyed.code, destroyed.stdout], [0, 'Destroyed pool vm1/a: 2 pages.\n']);
  const { pools, warnings } = await statusReal(places);
  assert.deepEqual([pools.map(({ name }) => name), warnings.map(({ code }) => code)], [['b'], []]);
  await askReal(places, 'export', 'add', 'vm1/a', '--size', '1M');
  const again = await connect('vm1-a');
  assert.ok((await again.read(0, 2 * PAGE)).every((byte) => byte === 0));
  again.destroy();
  assert.equal((await daemon.stop()).code, 0);
});

test('R84: a guest’s socket speaks NBD for its own export and nothing else: no word on it changes anything', async () => {
  await using daemon = await serve({ 'vm1/a': '1MiB', 'vm2/a': '1MiB' });
  const words = [
    'POST /api/v1/freeze HTTP/1.1\r\nHost: x\r\n\r\n',
    'DELETE /api/v1/guests/vm2?force=true HTTP/1.1\r\n\r\n',
  ];
  for (const word of words) {
    const heard = await new Promise<Buffer>((resolve) => {
      const parts: Buffer[] = [];
      const socket = connectSocket(path.join(places.runDir, 'vm1-a.nbd'), () => socket.write(word));
      socket.on('data', (part) => parts.push(part));
      socket.on('error', () => {});
      socket.on('close', () => resolve(Buffer.concat(parts)));
    });
    assert.equal(heard.toString('latin1', 0, 8), 'NBDMAGIC');
    assert.doesNotMatch(heard.toString('latin1'), /HTTP/);
  }
  await assert.rejects(NbdClient.connect(path.join(places.runDir, 'vm1-a.nbd'), { exportName: 'vm2/a' }));
  const { guests } = await statusReal(places);
  assert.deepEqual(
    guests.map(({ name, frozen }) => [name, frozen]),
    [
      ['vm1', false],
      ['vm2', false],
    ],
  );
  assert.equal((await daemon.stop()).code, 0);
});

async function serve(exports: Record<string, string>): Promise<TmemProcess> {
  const daemon = serveReal(places, { capacity: '64MiB', exports });
  await daemon.ready();
  return daemon;
}

function connect(socket: string): Promise<NbdClient> {
  return NbdClient.connect(path.join(places.runDir, `${socket}.nbd`));
}

/** The daemon hears of a client's end a moment later. */
async function disconnected(name: string): Promise<void> {
  for (;;) {
    const { exports } = await statusReal(places);
    if (exports.find((each) => each.name === name)!.connections === 0) return;
  }
}

function readyExports(): string[] {
  const ready: ReadyDocument = JSON.parse(readFileSync(path.join(places.runDir, 'ready.json'), 'utf8'));
  return ready.exports.map(({ name }) => name);
}

function isRefused({ code, stdout, stderr }: Ended, status: number, line: string): void {
  assert.deepEqual([code, stdout, stderr], [status, '', `tmem: ${line}\n`]);
}
