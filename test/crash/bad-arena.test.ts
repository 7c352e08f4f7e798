/** Damage to the arena of a real daemon: what `tmem serve` and `tmem check` say of it, and what clients get. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { seededPrng } from '../../src/base/prng.js';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { getStatus } from '../../src/client/control/get-status.js';
import { RECORD_ALIGNMENT, RecordField, RecordKind } from '../../src/engine/record.js';
import { SEGMENT_HEADER_BYTES } from '../../src/engine/segment-header.js';
import { NbdReplyError } from '../support/nbd-client.js';
import { checkReal, connectReal, serveReal } from '../support/real-daemon.js';
import { type Ended, makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const EIO = 5;
const PAGES = 600;
const DAEMON = { capacity: '16MiB', exports: { s: '8MiB' } };
const REFUSED = /^tmem: E_ARENA_DAMAGED: segment \d+ at byte \d+: .*nothing is served: see tmem check/;

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('a payload that is damaged reads as EIO, is counted and named; every other page is right', async () => {
  await fill('SIGTERM');
  const [file, at] = findRecord(7, RecordKind.pageRaw);
  alter(file, (bytes) => (bytes[at + 2000]! ^= 4));

  const check = await checkReal(places);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /^damaged: vm\/s page 7$/m);
  assert.match(check.stderr, /^tmem: E_ARENA_DAMAGED: 1 of 600 pages in .* cannot be read back/);
  await using daemon = await start();
  assert.deepEqual(await damagedPages(), [7]);
  const { status } = await getStatus(places.runDir);
  assert.equal(status.pools[0]!.verify_failures, 1);
  assert.ok(status.warnings.some(({ code, text }) => code === 'damaged-pages' && text.includes('1 reads of vm/s')));
  const { log } = await daemon.stop();
  const told = log.filter(({ msg }) => String(msg).startsWith('1 reads of vm/s found a page that is not'));
  assert.deepEqual(
    told.map(({ level }) => level),
    ['error'],
  );
});

test('a damaged page that is written again is whole again', async () => {
  await fill('SIGKILL');
  const [file, at] = findRecord(7, RecordKind.pageRaw);
  alter(file, (bytes) => bytes.fill(0, at + 100, at + 300));
  {
    await using daemon = await start();
    const client = await connectReal(places, 's');
    await assert.rejects(client.write(7 * PAGE_BYTES + 512, Buffer.alloc(512)), isEio, 'its other sectors are unknown');
    await client.write(7 * PAGE_BYTES, versionedPage(7, versionOf(7)));
    await client.disconnect();
    assert.deepEqual(await damagedPages(), []);
    await daemon.stop();
  }
  assert.equal((await checkReal(places)).code, 0);
});

test('one wrong byte in the header of a record is repaired at start', async () => {
  await fill('SIGTERM');
  const [file, at] = findRecord(7, RecordKind.pageRaw);
  alter(file, (bytes) => (bytes[at + RecordField.index] = 99));
  {
    await using daemon = await start();
    assert.deepEqual(await damagedPages(), []);
    await daemon.stop();
  }
  assert.equal((await checkReal(places)).code, 0);
});

test('more wrong bytes in the header of a record: whose it was nobody knows, so nothing is served', async () => {
  await fill('SIGTERM');
  const [file, at] = findRecord(7, RecordKind.pageRaw);
  alter(file, (bytes) => bytes.fill(0x55, at + 8, at + 14));
  await isRefused(REFUSED);
});

test('one copy of a segment header is enough; without both nothing is served', async () => {
  await fill('SIGKILL');
  const [file] = findRecord(7, RecordKind.pageRaw);
  alter(file, (bytes) => (bytes[26]! ^= 1));
  {
    await using daemon = await start();
    assert.deepEqual(await damagedPages(), []);
    await daemon.stop('SIGKILL');
  }
  const mended = readFileSync(file);
  assert.ok(mended.subarray(0, 64).equals(mended.subarray(64, 128)), 'the copy is mended');
  alter(file, (bytes) => {
    bytes[26]! ^= 1;
    bytes[90]! ^= 1;
  });
  await isRefused(REFUSED);
});

test('a name that cannot be read is found in another segment, or nothing is served', async () => {
  await fill('SIGTERM');
  const [file, at] = findRecord(undefined, RecordKind.name);
  alter(file, (bytes) => (bytes[at + 40]! ^= 1));
  {
    await using daemon = await start();
    assert.deepEqual(await damagedPages(), []);
    await daemon.stop();
  }
  for (const each of segmentFiles()) {
    for (const name of recordsOf(each, RecordKind.name)) alter(each, (bytes) => (bytes[name + 40]! ^= 2));
  }
  await isRefused(/^tmem: E_ARENA_DAMAGED: .*the name of object 1 cannot be read/);
});

test('a segment that was cut short, emptied or removed is missed', async () => {
  await fill('SIGTERM');
  const [file] = findRecord(7, RecordKind.pageRaw);
  const whole = readFileSync(file);
  for (const bytes of [500_000, 4096, 100, 0]) {
    truncateSync(file, bytes);
    await isRefused(/^tmem: E_ARENA_DAMAGED: segment \d+ at byte \d+: /);
    writeFileSync(file, whole);
  }
  rmSync(file);
  await isRefused(/^tmem: E_ARENA_DAMAGED: .*segments are in use, and \d+ of them are here/);
  writeFileSync(file, whole);
  await using daemon = await start();
  assert.deepEqual(await damagedPages(), []);
  await daemon.stop();
});

test('an arena of another version is refused by number and left alone', async () => {
  await fill('SIGTERM');
  for (const file of segmentFiles()) {
    alter(file, (bytes) => {
      bytes[8] = 77;
      bytes[72] = 77;
    });
  }
  const before = segmentFiles().map((file) => readFileSync(file));
  const line =
    /^tmem: E_ARENA_VERSION: segment \d+ has format version 77, this tmem reads version 1: start the tmem that/;
  await isRefused(line);
  assert.deepEqual(
    segmentFiles().map((file) => readFileSync(file)),
    before,
  );
});

test('files that are not of the arena are refused, not overwritten', async () => {
  await fill('SIGTERM');
  const file = segmentFiles()[0]!;
  writeFileSync(file, Buffer.alloc(MIB, 'somebody else wrote this '));
  await isRefused(/^tmem: E_ARENA_DAMAGED: segment \d+ at byte 0: its header cannot be read/);
  assert.match(readFileSync(file, 'latin1'), /^somebody else/);
});

for (let seed = 1; seed <= Number(process.env['TMEM_SEEDS'] ?? 6); seed++) {
  test(`random damage never reads as a page that is not the page (seed ${seed})`, async () => {
    const prng = seededPrng(seed);
    await fill(prng.below(2) === 0 ? 'SIGTERM' : 'SIGKILL');
    const files = segmentFiles();
    const file = files[prng.below(files.length)]!;
    alter(file, (bytes) => {
      // After a kill the last write must stay whole: behind it a tear and damage look alike.
      const end = Math.max(1, bytes.findLastIndex((byte) => byte !== 0) - 3 * PAGE_BYTES);
      const at = prng.below(end);
      if (prng.below(2) === 0) bytes[at]! ^= 1 << prng.below(8);
      else bytes.fill(prng.below(2) * 0xff, at, Math.min(end, at + prng.below(3 * PAGE_BYTES)));
    });
    const check = await checkReal(places, '--json');
    const daemon = serve();
    try {
      await Promise.race([daemon.ready(), daemon.ended]);
      const damaged = await damagedPages();
      const { damaged: listed } = JSON.parse(check.stdout) as { damaged: { page: number }[] };
      const named = new Set(listed.map(({ page }) => page));
      for (const page of damaged) assert.ok(named.has(page), `check names page ${page}`);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.match((await daemon.ended).plain.join('\n'), REFUSED);
      assert.equal(check.code, 1);
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
}

/** Every page twice, so that there is always an older copy to be taken for the newest. */
async function fill(end: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await using daemon = await start();
  const client = await connectReal(places, 's');
  for (const version of [1, 2]) {
    for (let page = 0; page < PAGES; page++) {
      await client.write(page * PAGE_BYTES, versionedPage(page, version === 1 ? 4 * page + 1 : versionOf(page)));
    }
  }
  client.destroy();
  await daemon.stop(end);
}

/** A third of the pages do not compress. */
function versionOf(page: number): number {
  return page % 3 === 1 ? 40_001 + 4 * page : 40_002 + 3 * page;
}

function serve(): TmemProcess {
  return serveReal(places, DAEMON);
}

async function start(): Promise<TmemProcess> {
  const daemon = serve();
  await daemon.ready();
  return daemon;
}

/** Reads every page. @returns those that answer EIO; all others are right */
async function damagedPages(): Promise<number[]> {
  const client = await connectReal(places, 's');
  const damaged = [];
  for (let page = 0; page < PAGES; page++) {
    try {
      const got = await client.read(page * PAGE_BYTES, PAGE_BYTES);
      assert.ok(got.equals(versionedPage(page, versionOf(page))), `page ${page} is not what was written`);
    } catch (error) {
      if (!isEio(error)) throw error;
      damaged.push(page);
    }
  }
  await client.disconnect();
  return damaged;
}

function isEio(error: unknown): boolean {
  return error instanceof NbdReplyError && error.error === EIO;
}

/** Both `serve` and `check` end with 1 and one line; nothing is changed that a restored file would not undo. */
async function isRefused(line: RegExp): Promise<void> {
  const served: Ended = await serve().ended;
  assert.equal(served.plain.length, 1, served.stderr);
  assert.match(served.plain[0]!, line);
  assert.deepEqual([served.code, served.stdout], [1, '']);
  const check = await checkReal(places);
  assert.equal(check.code, 1);
  assert.match(check.stderr, /^tmem: E_ARENA_(DAMAGED|VERSION): .*\n$/);
}

function segmentFiles(): string[] {
  const folder = path.join(places.arena, 'shard-0');
  return readdirSync(folder)
    .toSorted()
    .map((name) => path.join(folder, name));
}

function alter(file: string, change: (bytes: Buffer) => unknown): void {
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
}

/** The newest record of the kind, of the page if one is named: its file and offset. */
function findRecord(page: number | undefined, kind: number): [file: string, at: number] {
  let newest = -1n;
  let found: [string, number] | undefined;
  for (const file of segmentFiles()) {
    const bytes = readFileSync(file);
    for (const at of recordsOf(file, kind)) {
      const sequence = bytes.readBigUInt64LE(at + RecordField.sequence);
      if (page !== undefined && bytes.readUInt32LE(at + RecordField.index) !== page) continue;
      if (sequence <= newest) continue;
      newest = sequence;
      found = [file, at];
    }
  }
  assert.ok(found !== undefined, `a record of kind ${kind}`);
  return found;
}

/** Offsets of records of this kind in a segment in use, one behind the other to its seal. */
function recordsOf(file: string, kind: number): number[] {
  const bytes = readFileSync(file);
  const found = [];
  if (bytes.readBigUInt64LE(24) === 0n) return [];
  for (let at = SEGMENT_HEADER_BYTES; at + 32 <= bytes.length;) {
    const here = bytes[at + RecordField.kind]!;
    if (here === 0 || here === RecordKind.seal) break;
    if (here === kind) found.push(at);
    const size = 32 + bytes.readUInt16LE(at + RecordField.payloadBytes);
    at += Math.ceil(size / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
  }
  return found;
}
