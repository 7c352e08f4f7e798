/** `tmem guest` against the real daemon: what is set, frozen, thawed and removed is so, and nothing else. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { GuestDocument, GuestRemovedDocument, GuestsDocument } from '../../src/base/changes.js';
import type { ReadyDocument } from '../../src/base/status.js';
import { NbdError } from '../../src/wire/nbd/request.js';
import { NbdClient } from '../support/nbd-client.js';
import { patterned, rejects } from '../support/nbd-fixture.js';
import { askReal, askRealJson, serveReal, statusReal } from '../support/real-daemon.js';
import { type Ended, makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';

const PAGE = 4096;
const EXPORTS = { 'vm1/a': '1MiB', 'vm1/b': '1MiB', 'vm2/a': '1MiB' };

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('guests are listed and shown, for people and as JSON', async () => {
  await using daemon = await serve();
  const client = await connect('vm1-a');
  await client.write(0, patterned(2 * PAGE));
  const list = await askReal(places, 'guest', 'list');
  assert.match(list.stdout, /^GUEST +KIND .*\nvm1 +vm +no-driver +no +- +100 +- +2 .*\nvm2 +vm .* 0 +0B +0\n$/);
  const { guests } = await askRealJson<GuestsDocument>(places, 'guest', 'list');
  assert.deepEqual(
    guests.map(({ name }) => name),
    ['vm1', 'vm2'],
  );
  const show = await askReal(places, 'guest', 'show', 'vm1');
  assert.match(show.stdout, /^GUEST [^]*\n\nEXPORT [^]*vm1\/a [^]*vm1\/b [^]*\n\nPOOL [^]*vm1\/a [^]*vm1\/b /);
  assert.doesNotMatch(show.stdout, /vm2/);
  const shown = await askRealJson<GuestDocument>(places, 'guest', 'show', 'vm1');
  assert.deepEqual([shown.v, shown.guest.name, shown.exports.length, shown.pools.length], [1, 'vm1', 2, 2]);
  client.destroy();
  assert.equal((await daemon.stop()).code, 0);
});

test('what is set is in force and shown, until the config is read again', async () => {
  await using daemon = await serve();
  const client = await connect('vm1-a');
  const set = await askReal(places, 'guest', 'set', 'vm1', 'cap=0', 'weight=7', 'reservation=1M');
  assert.match(set.stdout, /^vm1 +vm +no-driver +no +0B +7 +1MiB +0 +0B +0$/m);
  assert.match(set.stdout, /weight and reservation are of pages that may be taken for others/);
  await rejects(client.write(0, patterned(PAGE)), NbdError.noSpace);
  await askReal(places, 'guest', 'set', 'vm1', 'cap=none');
  await client.write(0, patterned(PAGE));
  const [vm1] = (await askRealJson<GuestsDocument>(places, 'guest', 'set', 'vm1', 'cap=1')).guests;
  assert.deepEqual([vm1!.cap_bytes, vm1!.weight, vm1!.reservation_bytes], [1, 7, 2 ** 20]);
  daemon.signal('SIGHUP');
  await daemon.logged(/config read again/);
  const [again] = (await statusReal(places)).guests;
  assert.deepEqual([again!.cap_bytes, again!.weight, again!.reservation_bytes], [null, 100, null]);
  await client.write(PAGE, patterned(PAGE));
  client.destroy();
});

test('a setting that is none is a usage error in one line, whatever it holds', async () => {
  const ended = await askReal(places, 'guest', 'set', 'vm1', '\u001B[2J=1');
  isRefused(ended, 2, String.raw`E_USAGE: unknown setting "\u001b[2J": the nearest is "cap"`);
});

test('R20, R31, R36: a frozen guest overwrites, reads and trims, and gets ENOSPC for what is new, on a connection that lives', async () => {
  await using daemon = await serve();
  const [client, other] = [await connect('vm1-a'), await connect('vm2-a')];
  await client.write(0, patterned(2 * PAGE));
  const frozen = await askReal(places, 'guest', 'freeze', 'vm1');
  assert.match(frozen.stdout, /^vm1 +vm +no-driver +yes /m);
  await assert.rejects(client.write(4 * PAGE, patterned(PAGE)), {
    error: NbdError.noSpace,
    message: `NBD error ${NbdError.noSpace}: guest is frozen and stores no new page: thaw it with "tmem guest thaw"`,
  });
  await client.write(0, patterned(PAGE, 1));
  await client.write(PAGE + 100, patterned(50, 2));
  assert.ok((await client.read(0, PAGE)).equals(patterned(PAGE, 1)));
  assert.ok((await client.read(PAGE + 100, 50)).equals(patterned(50, 2)));
  assert.ok((await client.read(4 * PAGE, PAGE)).every((byte) => byte === 0));
  await client.trim(0, PAGE);
  assert.ok((await client.read(0, PAGE)).every((byte) => byte === 0));
  await rejects(client.write(0, patterned(PAGE)), NbdError.noSpace);
  // A neighbour is not frozen with it.
  await other.write(0, patterned(PAGE));
  await daemon.logged(/2 new pages of vm1\/a were refused because the guest is frozen/);
  await askReal(places, 'guest', 'thaw', 'vm1');
  await client.write(4 * PAGE, patterned(PAGE));
  client.destroy();
  other.destroy();
});

test('R66, R67: --all freezes the guests that there are, and a guest made later is not frozen', async () => {
  await using daemon = await serve();
  const all = await askRealJson<GuestsDocument>(places, 'guest', 'freeze', '--all');
  assert.deepEqual(
    all.guests.map(({ name, frozen }) => [name, frozen]),
    [
      ['vm1', true],
      ['vm2', true],
    ],
  );
  isRefused(
    await askReal(places, 'export', 'add', 'vm1/c', '--size', '1M'),
    1,
    'E_DENIED: guest vm1 is frozen and gets no new pool c: thaw it first',
  );
  assert.equal((await askReal(places, 'export', 'add', 'vm3/a', '--size', '1M')).code, 0);
  const client = await connect('vm3-a');
  await client.write(0, patterned(PAGE));
  client.destroy();
  const thawed = await askRealJson<GuestsDocument>(places, 'guest', 'thaw', '--all');
  assert.ok(thawed.guests.every(({ frozen }) => !frozen));
  assert.equal((await askReal(places, 'export', 'add', 'vm1/c', '--size', '1M')).code, 0);
  assert.equal((await daemon.stop()).code, 0);
});

test('a freeze outlives a reread of the config and ends with the daemon', async () => {
  {
    await using daemon = await serve();
    await askReal(places, 'guest', 'freeze', 'vm1');
    daemon.signal('SIGHUP');
    await daemon.logged(/config read again/);
    const { guests } = await statusReal(places);
    assert.deepEqual(
      guests.map(({ frozen }) => frozen),
      [true, false],
    );
    await daemon.stop('SIGKILL');
  }
  await using daemon = await serve();
  const { guests } = await statusReal(places);
  assert.ok(guests.every(({ frozen }) => !frozen));
  assert.equal((await daemon.stop()).code, 0);
});

test('R9: a guest that is removed dies with its exports, sockets, pools and pages, and nobody with it', async () => {
  await using daemon = await serve();
  const [a, b, other] = [await connect('vm1-a'), await connect('vm1-b'), await connect('vm2-a')];
  await a.write(0, patterned(3 * PAGE));
  await b.write(0, patterned(2 * PAGE));
  await other.write(0, patterned(PAGE, 9));
  b.destroy();
  const refused = await askReal(places, 'guest', 'remove', 'vm1');
  isRefused(
    refused,
    1,
    'E_IN_USE: a client is connected to vm1/a and would lose its disks and all that is on them: disconnect it first, or use --force',
  );
  assert.ok((await a.read(0, 3 * PAGE)).equals(patterned(3 * PAGE)));
  assert.equal((await readyExports()).length, 3);

  const removed = await askReal(places, 'guest', 'remove', 'vm1', '--force');
  assert.match(removed.stdout, /^Removed guest vm1: 2 exports, 2 pools, 5 pages\.\nThe config names it: /);
  await assert.rejects(a.read(0, PAGE));
  assert.deepEqual(await readyExports(), ['vm2/a']);
  assert.ok(!existsSync(path.join(places.runDir, 'vm1-a.nbd')));
  const { guests, pools } = await statusReal(places);
  assert.deepEqual([guests.map(({ name }) => name), pools.map(({ guest }) => guest)], [['vm2'], ['vm2']]);
  assert.ok((await other.read(0, PAGE)).equals(patterned(PAGE, 9)));
  other.destroy();

  // The config names it still: it comes back, and has nothing of its former life.
  daemon.signal('SIGHUP');
  await daemon.logged(/"added":\["vm1\/a","vm1\/b"\]/);
  const again = await connect('vm1-a');
  assert.ok((await again.read(0, 3 * PAGE)).every((byte) => byte === 0));
  again.destroy();
  assert.equal((await daemon.stop()).code, 0);
});

test('a guest that its pages alone remember is removed in the same way, and stays away after a restart', async () => {
  {
    await using daemon = await serve();
    const client = await connect('vm1-a');
    await client.write(0, patterned(700 * 1024));
    client.destroy();
    assert.equal((await daemon.stop()).code, 0);
  }
  {
    await using daemon = await serve({ 'vm2/a': '1MiB' });
    const { guests } = await statusReal(places);
    assert.deepEqual(
      guests.map(({ name, state }) => [name, state]),
      [
        ['vm2', 'no-driver'],
        ['vm1', 'orphaned'],
      ],
    );
    isRefused(
      await askReal(places, 'guest', 'set', 'vm1', 'cap=1M'),
      1,
      'E_DENIED: guest vm1 is orphaned, so nothing of it grows: add an export of it first',
    );
    const removed = await askRealJson<GuestRemovedDocument>(places, 'guest', 'remove', 'vm1');
    assert.deepEqual(removed, { v: 1, guest: 'vm1', exports: [], pools: 1, pages: 175, in_config: false });
    assert.equal((await daemon.stop('SIGKILL')).signal, 'SIGKILL');
  }
  await using daemon = await serve({ 'vm2/a': '1MiB' });
  const { guests } = await statusReal(places);
  assert.deepEqual(
    guests.map(({ name }) => name),
    ['vm2'],
  );
  assert.equal((await daemon.stop()).code, 0);
});

test('of three who remove a guest at once one does and the others find nothing', async () => {
  await using daemon = await serve();
  const ended = await Promise.all([1, 2, 3].map(() => askReal(places, 'guest', 'remove', 'vm1')));
  assert.equal(ended.filter(({ code }) => code === 0).length, 1);
  for (const { code, stderr } of ended)
    if (code === 1) assert.match(stderr, /^tmem: E_NOT_FOUND: no guest "vm1": the nearest is "vm2"/);
  assert.equal((await daemon.stop()).code, 0);
});

test('a guest that is not there is not found, and the nearest is named', async () => {
  await using daemon = await serve();
  for (const verb of [['show'], ['set'], ['freeze'], ['thaw'], ['remove']]) {
    const more = verb[0] === 'set' ? ['weight=1'] : [];
    const ended = await askReal(places, 'guest', ...verb, 'vmm1', ...more);
    isRefused(ended, 1, 'E_NOT_FOUND: no guest "vmm1": the nearest is "vm1", "tmem status" lists all');
  }
  const odd = await askReal(places, 'guest', 'remove', '../\u001B]0;x\u0007\n');
  isRefused(
    odd,
    1,
    String.raw`E_NOT_FOUND: no guest "../\u001b]0;x\u0007\u000a": the nearest is "vm1", "tmem status" lists all`,
  );
  assert.equal((await daemon.stop()).code, 0);
});

async function serve(exports: Record<string, string> = EXPORTS): Promise<TmemProcess> {
  const daemon = serveReal(places, { capacity: '64MiB', exports });
  await daemon.ready();
  return daemon;
}

function connect(socket: string): Promise<NbdClient> {
  return NbdClient.connect(path.join(places.runDir, `${socket}.nbd`));
}

async function readyExports(): Promise<string[]> {
  const ready: ReadyDocument = JSON.parse(readFileSync(path.join(places.runDir, 'ready.json'), 'utf8'));
  return ready.exports.map(({ name }) => name);
}

function isRefused({ code, stdout, stderr }: Ended, status: number, line: string): void {
  assert.deepEqual([code, stdout, stderr], [status, '', `tmem: ${line}\n`]);
}
