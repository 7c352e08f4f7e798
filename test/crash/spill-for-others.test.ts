/** Two workers: one has all of the store, in persistent pages that have a spill file; the disk of the other needs room. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { FaultyDisk } from '../support/faulty-disk.js';
import { type NbdClient, NbdReplyError } from '../support/nbd-client.js';
import { needs } from '../support/needs.js';
import { checkReal, connectReal, serveReal, statusReal } from '../support/real-daemon.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const ENOSPC = 28;

/** Pages do not compress, so `full` has more than fits, and `late` less. */
const CAPACITY = '24MiB';
const FULL_PAGES = (32 * MIB) / PAGE_BYTES;
const LATE_PAGES = (10 * MIB) / PAGE_BYTES;
const SPILLING_PAGES = (40 * MIB) / PAGE_BYTES;

const AT_ONCE = 64;

/** Far less than what has to leave for all pages of `late`. */
const ROOM_LEFT_PAGES = 600;

const skip = needs('gcc');

let places: Places;
let faulty: FaultyDisk;
beforeEach(() => {
  places = makePlaces();
  if (skip === false) faulty = new FaultyDisk();
});
afterEach(() => {
  places.remove();
  if (skip === false) faulty.remove();
});

for (const [title, spills, pages] of [
  ['without a spill file', false, LATE_PAGES],
  ['with one too, and no pages yet', true, SPILLING_PAGES],
] as const) {
  test(`a disk ${title} is refused nothing while pages of another worker can leave`, { skip }, async () => {
    await using daemon = await start(spills);
    const [full, late] = await connectBoth();
    await fill(full, 0, FULL_PAGES);
    // A hard disk's: no page leaves by itself in time.
    faulty.be({ delayMs: 8 });
    await fill(late, 0, pages);
    faulty.be({});
    await verify(full, 0, FULL_PAGES);
    await verify(late, 0, pages);
    const { errors } = await exportStatus('late');
    assert.equal(errors, 0);
    assert.equal((await exportStatus('full')).stored_pages, FULL_PAGES);
    await daemon.stop();
  });
}

test('what the spill disk of another worker has no room for is refused, and taken when it has', { skip }, async () => {
  await using daemon = await start(false);
  const [full, late] = await connectBoth();
  await fill(full, 0, FULL_PAGES);
  const spilled = (await exportStatus('full')).spilled_pages ?? 0;
  faulty.be({ roomPages: spilled + ROOM_LEFT_PAGES });
  const taken = await fillUntilRefused(late);
  assert.ok(taken > ROOM_LEFT_PAGES / 2 && taken < LATE_PAGES, `${taken} pages`);
  assert.ok(faulty.calls.refused > 0);
  faulty.be({});
  await fillInTheEnd(late, taken);
  await verify(full, 0, FULL_PAGES);
  await verify(late, 0, LATE_PAGES);
  await daemon.stop();
});

test('a spill disk that fails is ENOSPC for the disk of another worker, until it is good again', { skip }, async () => {
  await using daemon = await start(false);
  const [full, late] = await connectBoth();
  await fill(full, 0, FULL_PAGES);
  faulty.be({ fails: true });
  const taken = await fillUntilRefused(late);
  await verify(late, 0, taken);
  faulty.be({});
  await fillInTheEnd(late, taken);
  await verify(full, 0, FULL_PAGES);
  await verify(late, 0, LATE_PAGES);
  await daemon.stop();
});

test('a spill disk that hangs keeps no other worker waiting for ever', { skip }, async () => {
  await using daemon = await start(false);
  const [full, late] = await connectBoth();
  await fill(full, 0, FULL_PAGES);
  faulty.be({ hangs: true });
  const taken = await fillUntilRefused(late);
  await verify(late, 0, taken);
  assert.ok(faulty.calls.underWay > 0, 'it hangs');
  // A page that is in memory still; and who is refused is so without another wait for the disk.
  for (let tries = 0; tries < 100; tries++) assert.equal(await write(late, taken), ENOSPC);
  faulty.be({});
  await fillInTheEnd(late, taken);
  await verify(full, 0, FULL_PAGES);
  await daemon.stop();
});

test('killed while pages of one worker leave for another, neither has lost a page', { skip }, async () => {
  const daemon = await start(false);
  try {
    const [full, late] = await connectBoth();
    await fill(full, 0, FULL_PAGES);
    const filled = { taken: 0 };
    faulty.be({ delayMs: 8 });
    const filling = (async () => {
      while ((await write(late, filled.taken)) === undefined) filled.taken++;
    })().catch(() => {});
    // What there was to spare is gone then.
    while (filled.taken < ROOM_LEFT_PAGES) await sleep(1);
    while (faulty.calls.underWay === 0) await sleep(1);
    await daemon.stop('SIGKILL');
    await filling;
    faulty.be({});
    assert.equal((await checkReal(places)).code, 0);
    await using again = await start(false);
    const [fullAgain, lateAgain] = await connectBoth();
    await verify(fullAgain, 0, FULL_PAGES);
    await verify(lateAgain, 0, filled.taken);
    await fill(lateAgain, filled.taken, LATE_PAGES);
    await again.stop();
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
});

async function start(lateSpills: boolean): Promise<TmemProcess> {
  faulty.countAnew();
  const exports = { full: `${FULL_PAGES * PAGE_BYTES}`, late: `${SPILLING_PAGES * PAGE_BYTES}` };
  const spill = { full: faulty.file('full'), ...(lateSpills && { late: faulty.file('late') }) };
  const daemon = serveReal(places, { capacity: CAPACITY, workers: 2, exports, spill, env: faulty.environment });
  await daemon.ready();
  return daemon;
}

function connectBoth(): Promise<[NbdClient, NbdClient]> {
  return Promise.all([connectReal(places, 'full'), connectReal(places, 'late')]);
}

type ExportStatus = Awaited<ReturnType<typeof statusReal>>['exports'][number];

async function exportStatus(name: string): Promise<ExportStatus> {
  return (await statusReal(places)).exports.find((found) => found.name === `vm/${name}`)!;
}

/** The disks are told apart by their sizes. */
function content(client: NbdClient, page: number): Buffer {
  return versionedPage(page, client.sizeBytes === FULL_PAGES * PAGE_BYTES ? 1 : 5);
}

/** @returns the error that it is refused with */
function write(client: NbdClient, page: number): Promise<number | undefined> {
  return client.write(page * PAGE_BYTES, content(client, page)).then(() => undefined, errorCode);
}

/** What is refused is tried again for a while: so is a file that failed. */
async function fillInTheEnd(client: NbdClient, from: number): Promise<void> {
  for (let page = from, tries = 0; page < LATE_PAGES;) {
    if ((await write(client, page)) === undefined) {
      page++;
      continue;
    }
    assert.ok(++tries < 100, `page ${page} is taken in the end`);
    await sleep(100);
  }
}

async function fillUntilRefused(client: NbdClient): Promise<number> {
  for (let page = 0; page < LATE_PAGES; page++) {
    const refusal = await write(client, page);
    if (refusal === undefined) continue;
    assert.equal(refusal, ENOSPC);
    return page;
  }
  return assert.fail('nothing is refused');
}

async function fill(client: NbdClient, from: number, to: number): Promise<void> {
  await each(from, to, async (page) => assert.equal(await write(client, page), undefined, `page ${page}`));
}

async function verify(client: NbdClient, from: number, to: number): Promise<void> {
  await each(from, to, async (page) => {
    const data = await client.read(page * PAGE_BYTES, PAGE_BYTES);
    assert.ok(data.equals(content(client, page)), `page ${page}`);
  });
}

async function each(from: number, to: number, act: (page: number) => Promise<void>): Promise<void> {
  for (let page = from; page < to; page += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - page) }, (_, n) => act(page + n)));
  }
}

function errorCode(error: unknown): number {
  assert.ok(error instanceof NbdReplyError, String(error));
  return error.error;
}
