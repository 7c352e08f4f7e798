/** An arena on a disk, with the daemon as people run it: what FLUSH costs the disk, and what is there afterwards. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { PAGE_BYTES } from '../../src/base/units.js';
import { getStatus } from '../../src/client/control/get-status.js';
import { CommandFlag } from '../../src/wire/nbd/request.js';
import { makeDiskPlaces } from '../support/disk-places.js';
import { needs } from '../support/needs.js';
import { checkReal, connectReal, serveReal } from '../support/real-daemon.js';
import type { Places, TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const DAEMON = { capacity: '48MiB', exports: { s: '64MiB' } };
const PAGES = 300;
const FIO_MS_MAX = 120_000;

/** Skips without a disk before anything is made. */
const disk = needs('disk');

let places: Places;
beforeEach(() => {
  if (disk === false) places = makeDiskPlaces();
});
afterEach(() => {
  if (disk === false) places.remove();
});

test(
  'a start on a disk warns of nothing, says "disk", and a clean stop leaves an arena without damage',
  { skip: disk },
  async () => {
    {
      await using daemon = await start();
      const { status } = await getStatus(places.runDir);
      assert.equal(status.arena.fs, 'disk');
      assert.deepEqual(
        status.warnings.filter(({ code }) => code !== 'swap-over-capacity' && code !== 'sockets-private'),
        [],
      );
      await write(1);
      const { code, plain, log } = await daemon.stop();
      assert.deepEqual([code, plain], [0, []]);
      assert.deepEqual(
        log.filter(
          ({ level, code: what }) => level === 'warn' && what !== 'swap-over-capacity' && what !== 'sockets-private',
        ),
        [],
      );
    }
    await hasNoDamage();
    await using daemon = await start();
    await expectVersion(1);
    await daemon.stop();
  },
);

test(
  'fio writes with a flush every few writes and verifies, and after kill -9 all of it is there',
  { skip: disk || needs('fio', 'fio-nbd') },
  async () => {
    await using daemon = await start();
    const fio = (...more: string[]): void => {
      const uri = `nbd+unix:///?socket=${path.join(places.runDir, 'vm-s.nbd')}`;
      const load = ['--name=disk', '--ioengine=nbd', `--uri=${uri}`, '--rw=randwrite', '--bs=4096', '--size=16M'];
      const verify = ['--verify=crc32c', '--verify_fatal=1', '--verify_state_save=0', '--randseed=1', '--iodepth=16'];
      const { status, stdout, stderr } = spawnSync('fio', [...load, ...verify, ...more], { timeout: FIO_MS_MAX });
      assert.equal(status, 0, `${String(stdout)}${String(stderr)}`);
    };
    fio('--fsync=16', '--do_verify=1', '--loops=3');
    await daemon.stop('SIGKILL');
    await hasNoDamage();
    await using again = await start();
    fio('--verify_only');
    await again.stop();
  },
);

test(
  'FLUSH and FUA are an fdatasync of what was written, once for all that wait',
  { skip: disk || needs('strace', 'root') },
  async () => {
    await using daemon = await start();
    const client = await connectReal(places, 's');
    const tracing = ['-f', '-y', '-e', 'trace=fdatasync,fsync', '-o', path.join(places.folder, 'trace')];
    const strace = spawn('strace', [...tracing, '-p', String(daemon.pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
    const said = (await once(strace.stderr, 'data')).join('');
    assert.match(said, /attached/);
    const syncs = (): string[] =>
      readFileSync(path.join(places.folder, 'trace'), 'utf8')
        .split('\n')
        .filter((line) => /fdatasync\(\d+<.*segment-\d+>|fdatasync resumed/.test(line) && !line.includes('unfinished'));
    await client.write(0, versionedPage(0, 1));
    await client.flush();
    const first = syncs().length;
    assert.ok(first >= 1, 'a FLUSH is at least one');
    await client.flush();
    assert.equal(syncs().length, first, 'where nothing was written since there is nothing to sync');
    await client.write(PAGE_BYTES, versionedPage(1, 1), CommandFlag.fua);
    assert.ok(syncs().length > first, 'FUA is one');
    const before = syncs().length;
    await client.write(0, versionedPage(0, 5));
    await Promise.all(Array.from({ length: 50 }, () => client.flush()));
    const more = syncs().length - before;
    assert.ok(more >= 1 && more < 10, `50 FLUSHes are ${more}`);
    strace.kill();
    await once(strace, 'close');
  },
);

async function start(): Promise<TmemProcess> {
  const daemon = serveReal(places, DAEMON);
  await daemon.ready();
  return daemon;
}

async function write(version: number): Promise<void> {
  const client = await connectReal(places, 's');
  for (let page = 0; page < PAGES; page++) await client.write(page * PAGE_BYTES, versionedPage(page, version));
  await client.disconnect();
}

async function expectVersion(version: number): Promise<void> {
  const client = await connectReal(places, 's');
  for (let page = 0; page < PAGES; page++)
    assert.ok((await client.read(page * PAGE_BYTES, PAGE_BYTES)).equals(versionedPage(page, version)), `page ${page}`);
  await client.disconnect();
}

async function hasNoDamage(): Promise<void> {
  const { code, stdout, stderr } = await checkReal(places);
  assert.deepEqual([code, stdout.includes('no damage')], [0, true], `${stdout}${stderr}`);
}
