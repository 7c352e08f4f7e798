/** The disk under a spill file hangs, fails or is full: who needs it waits or hears of it, everybody else goes on. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { makeDiskPlaces } from '../support/disk-places.js';
import { FaultyDisk } from '../support/faulty-disk.js';
import { type NbdClient, NbdReplyError } from '../support/nbd-client.js';
import { needs } from '../support/needs.js';
import { checkReal, connectReal, serveReal } from '../support/real-daemon.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const EIO = 5;
const ENOSPC = 28;

/** Twice what the store has room for, of pages that do not compress. */
const CAPACITY = '16MiB';
const PAGES = (32 * MIB) / PAGE_BYTES;
const VERSION = 1;
const NEXT_VERSION = 5;

/** Of a disk that is full. */
const ROOM_PAGES = 1000;

const AT_ONCE = 64;

const skip = needs('gcc');

let places: Places | undefined;
let faulty: FaultyDisk;
beforeEach(() => {
  places = undefined;
  if (skip === false) faulty = new FaultyDisk();
});
afterEach(() => {
  places?.remove();
  if (skip === false) faulty.remove();
});

test('while the spill disk hangs, pages in memory are read and written on the same connection', { skip }, async () => {
  await using daemon = await start(makePlaces());
  const client = await connect();
  await fill(client);
  faulty.be({ hangs: true });
  // More of them than there are threads for files.
  const waiting: { page: number; data: Promise<Buffer>; isDone: boolean }[] = [];
  for (let page = 0; waiting.length < 8; page++) {
    const { data, isDone } = await readOrWait(client, page);
    if (!isDone) waiting.push({ page, data, isDone });
  }
  for (const one of waiting) void one.data.then(() => (one.isDone = true));
  assert.ok(faulty.calls.underWay > 0, 'the disk is asked');

  // Those that were written last are in memory.
  let read = 0;
  for (let page = PAGES - 1; read < 1000; page--, read++) await expectPage(client, page, VERSION);
  for (let page = PAGES - 1; page >= PAGES - 100; page--) await client.write(page * PAGE_BYTES, content(page, 2));
  for (let page = PAGES - 1; page >= PAGES - 100; page--) await expectPage(client, page, 2);
  await client.flush();
  assert.ok(
    waiting.every(({ isDone }) => !isDone),
    'what is on the disk is waited for',
  );

  faulty.be({});
  for (const { page, data } of waiting) assert.ok((await data).equals(content(page, VERSION)), `page ${page}`);
  await daemon.stop();
});

test('a spill disk that hangs does not keep the daemon from its end, and nothing is lost by it', { skip }, async () => {
  await using daemon = await start(makePlaces());
  const client = await connect();
  await fill(client);
  faulty.be({ hangs: true });
  for (let page = 0, waiting = 0; waiting < 4; page++) {
    const { data, isDone } = await readOrWait(client, page);
    data.catch(() => {});
    if (!isDone) waiting++;
  }
  // Node waits for calls of files before it lets a thread or the process go.
  const { signal, log } = await daemon.stop();
  assert.equal(signal, 'SIGKILL');
  assert.match(JSON.stringify(log), /the stop took too long: ending as it is/);
  faulty.be({});
  assert.equal((await checkReal(places!)).code, 0);
  await using again = await start(places!);
  await verify(await connect(), PAGES);
  await again.stop();
});

for (const [where, make, without] of [
  ['tmpfs', makePlaces, skip],
  ['a disk', makeDiskPlaces, needs('gcc', 'disk')],
] as const) {
  const arena = `with the arena on ${where}`;

  test(
    `${arena}, a spill disk that fails is an I/O error for its pages alone, and when it is good again nothing is lost`,
    { skip: without },
    async () => {
      await using daemon = await start(make());
      const client = await connect();
      await fill(client);
      faulty.be({ fails: true });
      let bad = 0;
      await each(0, PAGES, async (page) => {
        const data = await client.read(page * PAGE_BYTES, PAGE_BYTES).catch(errorCode);
        if (data === EIO) bad++;
        else
          assert.ok(typeof data !== 'number' && data.equals(content(page, VERSION)), `page ${page}: ${String(data)}`);
      });
      assert.ok(bad > PAGES / 4 && bad < (PAGES * 3) / 4, `${bad} pages are on the disk`);
      // Nothing can leave: a new page is taken as long as there is room, and the old one stays where there is none.
      const written = new Set<number>();
      let refused = 0;
      await each(0, PAGES, async (page) => {
        const refusal = await write(client, page, NEXT_VERSION);
        if (refusal === undefined) written.add(page);
        else if (refusal === ENOSPC) refused++;
        else assert.fail(`page ${page}: ${refusal}`);
      });
      assert.ok(refused > 0 && written.size > 0, `${refused} refused, ${written.size} written`);
      faulty.be({});
      const verifyAll = (on: NbdClient): Promise<void> =>
        each(0, PAGES, (page) => expectPage(on, page, written.has(page) ? NEXT_VERSION : VERSION));
      await verifyAll(client);
      await client.flush();
      await daemon.stop('SIGKILL');
      await using again = await start(places!);
      await verifyAll(await connect());
      await again.stop();
    },
  );

  test(
    `${arena}, on a full spill disk writes are refused, what is stored stays, and with room again they are taken`,
    { skip: without },
    async () => {
      await using daemon = await start(make());
      const client = await connect();
      faulty.be({ roomPages: ROOM_PAGES });
      let taken = 0;
      let refusal: number | undefined;
      for (; taken < PAGES && refusal === undefined; taken++) refusal = await write(client, taken, VERSION);
      taken--;
      assert.equal(refusal, ENOSPC);
      assert.ok(faulty.calls.refused > 0);
      assert.ok(taken > ROOM_PAGES, `${taken} pages`);
      await verify(client, taken);
      faulty.be({});
      // A file that failed is tried again after a while.
      for (let tries = 0; refusal !== undefined; tries++) {
        assert.ok(tries < 100, 'the file is tried again');
        await sleep(100);
        refusal = await write(client, taken, VERSION);
      }
      await fill(client, taken);
      await verify(client, PAGES);
      await daemon.stop();
    },
  );
}

async function start(at: Places): Promise<TmemProcess> {
  places = at;
  faulty.countAnew();
  const exports = { s: `${PAGES * PAGE_BYTES}` };
  const spill = { s: faulty.file('s') };
  const daemon = serveReal(at, { capacity: CAPACITY, exports, spill, env: faulty.environment });
  await daemon.ready();
  return daemon;
}

function connect(): Promise<NbdClient> {
  return connectReal(places!, 's');
}

function content(page: number, version: number): Buffer {
  return versionedPage(page, version);
}

async function fill(client: NbdClient, from = 0): Promise<void> {
  await each(from, PAGES, async (page) => assert.equal(await write(client, page, VERSION), undefined));
}

/** @returns the error that it is refused with */
function write(client: NbdClient, page: number, version: number): Promise<number | undefined> {
  return client.write(page * PAGE_BYTES, content(page, version)).then(() => undefined, errorCode);
}

async function verify(client: NbdClient, pages: number): Promise<void> {
  await each(0, pages, (page) => expectPage(client, page, VERSION));
}

async function each(from: number, to: number, act: (page: number) => Promise<void>): Promise<void> {
  for (let page = from; page < to; page += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - page) }, (_, n) => act(page + n)));
  }
}

async function expectPage(client: NbdClient, page: number, version: number): Promise<void> {
  assert.ok((await client.read(page * PAGE_BYTES, PAGE_BYTES)).equals(content(page, version)), `page ${page}`);
}

/** Until it is answered, or surely waits for the disk: what can be answered is, before a flush that was sent later. */
async function readOrWait(client: NbdClient, page: number): Promise<{ data: Promise<Buffer>; isDone: boolean }> {
  let isDone = false;
  const data = client.read(page * PAGE_BYTES, PAGE_BYTES);
  data.then(
    () => (isDone = true),
    () => (isDone = true),
  );
  await client.flush();
  return { data, isDone };
}

function errorCode(error: unknown): number {
  assert.ok(error instanceof NbdReplyError, String(error));
  return error.error;
}
