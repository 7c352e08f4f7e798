/** No more room, in the store or in its file system: clients hear ENOSPC, and nothing that was stored is lost by it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { getStatus } from '../../src/client/control/get-status.js';
import { type NbdClient, NbdReplyError } from '../support/nbd-client.js';
import { needs } from '../support/needs.js';
import { arenaBytes, checkReal, connectReal, serveReal } from '../support/real-daemon.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const ENOSPC = 28;
const EXPORT_PAGES = (64 * MIB) / PAGE_BYTES;
const IN_FLIGHT = 16;

const needsRoot = { skip: needs('root') };

let places: Places;
let isMounted = false;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => {
  if (isMounted) assert.equal(spawnSync('umount', [places.shm], { timeout: 10_000 }).status, 0);
  isMounted = false;
  places.remove();
});

test('a store that is full says ENOSPC, keeps what it has, and takes overwrites and trims', async () => {
  await using daemon = await start('12MiB');
  const disk = new Disk(await connectReal(places, 's'));
  const stored = await disk.writeUntilFull();
  assert.ok(stored * PAGE_BYTES > 7 * MIB, `${stored} pages`);
  await daemon.logged(/"level":"warn".*"\d+ pages of vm\/s were refused for lack of room: /);
  const { status } = await getStatus(places.runDir);
  assert.ok(status.warnings.some(({ code }) => code === 'pages-refused'));
  await disk.verify();

  // The same size again and again: cleaning must find the room, and no client may hear of it.
  for (let round = 0; round < 6; round++) {
    assert.equal(await disk.write(0, stored), stored);
    assert.ok(arenaBytes(places) <= 12 * MIB);
  }
  await disk.verify();

  await disk.trim(100, 300);
  assert.equal(await disk.write(stored, 200), 200, 'there is room for what was trimmed');
  await disk.verify();
  await daemon.stop('SIGKILL');
  assert.equal((await checkReal(places)).code, 0);
  await using again = await start('12MiB');
  await disk.reconnect();
  await disk.verify();
  assert.ok(arenaBytes(places) <= 12 * MIB);
  assert.equal(await disk.write(0, 50), 50, 'it is as full as it was, and overwrites go on');
  await disk.trim(0, EXPORT_PAGES);
  await waitUntil(() => arenaBytes(places) <= 4 * MIB, 'an empty store gives its memory back');
  await again.stop();
});

test('a full store refuses a write in part of a page without touching the rest of it', async () => {
  await using daemon = await start('8MiB');
  const client = await connectReal(places, 's');
  const disk = new Disk(client);
  // A same-filled page costs a header; with some noise in it, it grows.
  await disk.write(EXPORT_PAGES - 1, 1, 4);
  const stored = await disk.writeUntilFull();
  const at = (EXPORT_PAGES - 1) * PAGE_BYTES;
  await assert.rejects(client.write(at + 512, versionedPage(9, 1).subarray(0, 3584)), isNoSpace);
  await disk.verify();
  await disk.trim(0, stored);
  await client.write(at + 512, versionedPage(9, 1).subarray(0, 3584));
  await daemon.stop();
});

test('when something else fills the tmpfs, clients hear ENOSPC until there is room again', needsRoot, async () => {
  mountTmpfs(64);
  await using daemon = await start('48MiB');
  const disk = new Disk(await connectReal(places, 's'));
  const first = 8 * 256;
  assert.equal(await disk.write(0, first), first);
  const filler = fillTo(2);
  const more = await disk.writeUntilFull(first);
  assert.ok(more < 4 * 256, `${more} pages went where nothing is`);
  await disk.verify();
  assert.equal(await disk.write(0, first), first, 'what is stored can be written again');
  await disk.verify();

  // Dying and starting with the file system full is no different.
  await daemon.stop('SIGKILL');
  await using again = await start('48MiB');
  await disk.reconnect();
  await disk.verify();
  rmSync(filler);
  await waitUntil(async () => (await disk.write(first + more, 64)) === 64, 'room is found again');
  assert.equal(await disk.write(first + more, 1024), 1024);
  await disk.verify();
  assert.equal((await again.stop()).code, 0);
  assert.equal((await checkReal(places)).code, 0);
});

test('a file system with less room than the capacity is used as far as it goes', needsRoot, async () => {
  mountTmpfs(64);
  const filler = fillTo(20);
  await using daemon = await start('60MiB');
  const disk = new Disk(await connectReal(places, 's'));
  const stored = await disk.writeUntilFull();
  assert.ok(stored * PAGE_BYTES > 12 * MIB && stored * PAGE_BYTES < 20 * MIB, `${stored} pages`);
  await disk.verify();
  assert.equal(await disk.write(0, stored), stored);
  await disk.verify();
  assert.ok(existsSync(filler));
  await daemon.stop();
});

test('a capacity over the whole file system, or no room for the reserve, is refused at start', needsRoot, async () => {
  mountTmpfs(64);
  const over = await serve('65MiB').ended;
  assert.match(over.plain.join('\n'), /^tmem: E_ARENA_FULL: capacity 65 MiB is more than the whole file system/);
  fillTo(1);
  const none = await serve('48MiB').ended;
  assert.equal(none.plain.length, 1, none.stderr);
  assert.match(none.plain[0]!, /^tmem: E_ARENA_FULL: the arena cannot grow by the 1 MiB it keeps in reserve/);
  assert.deepEqual([over.code, none.code], [1, 1]);
});

test('one daemon an arena, and stale sockets of a killed one are replaced', async () => {
  await using first = await start('16MiB');
  const disk = new Disk(await connectReal(places, 's'));
  await disk.write(0, 100);
  const second = await serve('16MiB').ended;
  assert.match(second.plain.join('\n'), /^tmem: E_ARENA_BUSY: /);
  assert.equal(second.code, 1);
  const check = await checkReal(places);
  assert.match(check.stderr, /^tmem: E_ARENA_BUSY: /);
  await disk.verify();
  await first.stop('SIGKILL');
  assert.ok(existsSync(path.join(places.runDir, 'vm-s.nbd')), 'the socket of the dead is still there');
  await using again = await start('16MiB');
  await disk.reconnect();
  await disk.verify();
  await again.stop();
});

/** A disk and what was acknowledged of it. Pages that do not compress, unless said otherwise. */
class Disk {
  #client: NbdClient;
  readonly #versions = new Map<number, number>();
  #version = 0;

  constructor(client: NbdClient) {
    this.#client = client;
  }

  async reconnect(): Promise<void> {
    this.#client.destroy();
    this.#client = await connectReal(places, 's');
  }

  /** @returns pages written before the first ENOSPC; the others were tried too, and kept their old content */
  async write(first: number, count: number, kind = 1): Promise<number> {
    const refused: number[] = [];
    for (let at = first; at < first + count; at += IN_FLIGHT) {
      const pages = Array.from({ length: Math.min(IN_FLIGHT, first + count - at) }, (_, n) => at + n);
      await Promise.all(pages.map((page) => this.#writePage(page, kind, refused)));
    }
    return refused.length === 0 ? count : Math.min(...refused) - first;
  }

  async writeUntilFull(first = 0): Promise<number> {
    for (let count = 0; ; count += IN_FLIGHT) {
      const written = await this.write(first + count, IN_FLIGHT);
      if (written < IN_FLIGHT) return count + written;
    }
  }

  async trim(first: number, count: number): Promise<void> {
    await this.#client.trim(first * PAGE_BYTES, count * PAGE_BYTES);
    for (const page of this.#versions.keys()) if (page >= first && page < first + count) this.#versions.set(page, 0);
  }

  async verify(): Promise<void> {
    const zeros = Buffer.alloc(PAGE_BYTES);
    for (const [page, version] of this.#versions) {
      const got = await this.#client.read(page * PAGE_BYTES, PAGE_BYTES);
      assert.ok(got.equals(version === 0 ? zeros : versionedPage(page, version)), `page ${page}`);
    }
  }

  async #writePage(page: number, kind: number, refused: number[]): Promise<void> {
    const version = 4 * ++this.#version + kind;
    try {
      await this.#client.write(page * PAGE_BYTES, versionedPage(page, version));
      this.#versions.set(page, version);
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      refused.push(page);
      if (!this.#versions.has(page)) this.#versions.set(page, 0);
    }
  }
}

function isNoSpace(error: unknown): boolean {
  return error instanceof NbdReplyError && error.error === ENOSPC;
}

function serve(capacity: string): TmemProcess {
  return serveReal(places, { capacity, exports: { s: '64MiB' } });
}

async function start(capacity: string): Promise<TmemProcess> {
  const daemon = serve(capacity);
  await daemon.ready();
  return daemon;
}

/** The arena's parent becomes a file system of its own, for this test. */
function mountTmpfs(mib: number): void {
  const args = ['-t', 'tmpfs', '-o', `size=${mib}m`, 'none', places.shm];
  assert.equal(spawnSync('mount', args, { timeout: 10_000 }).status, 0);
  isMounted = true;
}

/** Somebody else's file, so large that `mib` MiB are left. */
function fillTo(mib: number): string {
  const { bavail, bsize } = statfsSync(places.shm);
  const file = path.join(places.shm, 'filler');
  writeFileSync(file, Buffer.alloc(bavail * bsize - mib * MIB, 1));
  return file;
}

async function waitUntil(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 50) {
    assert.ok(waited < 10_000, what);
    await sleep(50);
  }
}
