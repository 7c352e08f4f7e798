/** The NBD clients that people use, each doing what it is used for, with the daemon as people run it. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { patterned } from '../support/nbd-fixture.js';
import { NbdTarget } from '../support/nbd-target.js';
import { needs } from '../support/needs.js';
import { PAGE_SHAPES, syntheticPage } from '../support/synthetic-page.js';

const TOOL_MS_MAX = 60_000;
const SIZE_BYTES: number = 64 * MIB;

let target: NbdTarget;
let folder: string;
before(async () => {
  target = await NbdTarget.start(String(SIZE_BYTES));
  folder = mkdtempSync(path.join(tmpdir(), 'tmem-interop-'));
});
after(async () => {
  await target.remove();
  rmSync(folder, { recursive: true, force: true });
});

test('nbdinfo reads size and abilities', { skip: needs('nbdinfo') }, () => {
  for (const uri of [target.uri, target.namelessUri]) {
    const info: unknown = JSON.parse(run('nbdinfo', '--json', uri));
    const [found] = exportsOf(info);
    assert.equal(found?.['export-size'], SIZE_BYTES);
    for (const able of [
      'can_flush',
      'can_fua',
      'can_trim',
      'can_zero',
      'can_fast_zero',
      'can_multi_conn',
      'can_df',
      'can_cache',
    ])
      assert.equal(found?.[able], true, able);
    assert.equal(found?.['is_rotational'], false);
    assert.equal(found?.['block_size_preferred'], PAGE_BYTES);
  }
});

test('nbdinfo lists the one export of a socket', { skip: needs('nbdinfo') }, () => {
  assert.equal(exportsOf(JSON.parse(run('nbdinfo', '--list', '--json', target.uri))).length, 1);
});

test('nbdinfo draws the map of what is stored', { skip: needs('nbdinfo', 'qemu-io') }, () => {
  qemuIo('discard 0 64M', 'write -P 7 1M 2M', 'write -P 7 8M 4096');
  const map: unknown = JSON.parse(run('nbdinfo', '--map', '--json', target.uri));
  assert.deepEqual(
    records(map).map(({ offset, length, type }) => [offset, length, type]),
    [
      [0, 1 * MIB, 3],
      [1 * MIB, 2 * MIB, 0],
      [3 * MIB, 5 * MIB, 3],
      [8 * MIB, 4096, 0],
      [8 * MIB + 4096, SIZE_BYTES - 8 * MIB - 4096, 3],
    ],
  );
});

test('nbdcopy brings an image in and out again over four connections', { skip: needs('nbdcopy') }, () => {
  const [source, copy] = [image('source.raw'), path.join(folder, 'copy.raw')];
  run('nbdcopy', '--connections=4', source, target.uri);
  run('nbdcopy', '--connections=4', target.uri, copy);
  assert.ok(readFileSync(source).equals(readFileSync(copy)));
});

test('nbdcopy without extents and with one small request at a time does too', { skip: needs('nbdcopy') }, () => {
  const [source, copy] = [image('source.raw'), path.join(folder, 'copy.raw')];
  run('nbdcopy', '--destination-is-zero', '--request-size=32768', '--requests=1', '--synchronous', source, target.uri);
  run('nbdcopy', '--no-extents', '--allocated', target.uri, copy);
  assert.ok(readFileSync(source).equals(readFileSync(copy)));
});

test('qemu-img sees a raw disk, converts to it and from it, and compares equal', { skip: needs('qemu-img') }, () => {
  const [source, copy] = [image('source.raw'), path.join(folder, 'copy.raw')];
  assert.match(run('qemu-img', 'info', target.uri), /file format: raw\nvirtual size: 64 MiB/);
  run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', source, target.uri);
  run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', source, target.uri);
  run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', target.uri, copy);
  assert.ok(readFileSync(source).equals(readFileSync(copy)));
});

test('qemu-img maps holes as zeros and the rest as data', { skip: needs('qemu-img', 'qemu-io') }, () => {
  qemuIo('discard 0 64M', 'write -P 7 4M 64k');
  const map: unknown = JSON.parse(run('qemu-img', 'map', '--output=json', '-f', 'raw', target.uri));
  assert.deepEqual(
    records(map).map(({ start, length, zero, data }) => [start, length, zero, data]),
    [
      [0, 4 * MIB, true, false],
      [4 * MIB, 65_536, false, true],
      [4 * MIB + 65_536, SIZE_BYTES - 4 * MIB - 65_536, true, false],
    ],
  );
});

test('a qcow2 overlay stands on an export', { skip: needs('qemu-img', 'qemu-io') }, () => {
  qemuIo('write -P 9 0 1M');
  const overlay = path.join(folder, 'overlay.qcow2');
  run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', target.uri, overlay);
  run('qemu-io', '-f', 'qcow2', '-c', 'write -P 3 4k 512', '-c', 'read -P 9 0 4k', '-c', 'read -P 3 4k 512', overlay);
});

test(
  'qemu-io: zeros, discards, unaligned writes, flush and FUA all read back as they must',
  { skip: needs('qemu-io') },
  () => {
    qemuIo(
      'write -P 1 0 1M',
      'write -P 2 1 3',
      'read -P 1 0 1',
      'read -P 2 1 3',
      'read -P 1 4 4092',
      'write -z 4096 8192',
      'read -P 0 4k 8k',
      'write -z -u 100k 1000',
      'read -P 0 100k 1000',
      'read -P 1 103400 1000',
      'discard 512k 256k',
      'read -P 0 512k 256k',
      'write -f -P 4 600k 4k',
      'read -P 4 600k 4k',
      'flush',
      'read 0 48M',
    );
  },
);

test('qemu-io: a request past the end fails and the connection lives', { skip: needs('qemu-io') }, () => {
  const { status, stdout } = spawn('qemu-io', '-f', 'raw', '-c', 'read 64M 4k', '-c', 'read 0 4k', target.uri);
  assert.notEqual(status, null);
  assert.match(stdout, /read 4096\/4096 bytes at offset 0/);
});

test('fio writes and verifies at depth 32', { skip: needs('fio', 'fio-nbd') }, () => {
  for (const [rw, blockBytes] of [
    ['randwrite', 4096],
    ['randwrite', 512],
    ['write', 1 * MIB],
  ] as const) {
    run(
      'fio',
      '--name=verify',
      '--ioengine=nbd',
      `--uri=${target.uri}`,
      `--rw=${rw}`,
      `--bs=${blockBytes}`,
      '--size=16M',
      '--iodepth=32',
      '--verify=crc32c',
      '--verify_fatal=1',
      '--do_verify=1',
      '--randseed=1',
      `--verify_state_save=0`,
    );
  }
});

test('nbdkit stands between: its nbd plugin reads and writes through us', { skip: needs('nbdkit', 'qemu-io') }, () => {
  const inner = `qemu-io -f raw -c 'write -P 5 3M 10000' -c 'read -P 5 3M 10000' "$uri"`;
  run('nbdkit', '-U', '-', 'nbd', `uri=${target.uri}`, '--run', inner);
});

test('tmem check finds no damage in what all of them leave', { skip: needs('qemu-io') }, async () => {
  assert.match(await target.stopAndCheck(), / [1-9]\d* pages$/m);
});

function spawn(command: string, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { encoding: 'utf8', timeout: TOOL_MS_MAX, killSignal: 'SIGKILL', cwd: folder });
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawn(command, ...args);
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

/** Commands of qemu-io, whose own patterns (`-P`) are checked; it says so on stdout and may end with 0 all the same. */
function qemuIo(...commands: string[]): void {
  const args = commands.flatMap((command) => ['-c', command]);
  const said = run('qemu-io', '-f', 'raw', '-d', 'unmap', ...args, target.uri);
  assert.doesNotMatch(said, /Pattern verification failed|error|failed/i);
}

/** Data, holes, and the two mixed; pages such as guests have. */
function image(name: string): string {
  const bytes = Buffer.alloc(SIZE_BYTES);
  patterned(10 * MIB).copy(bytes, 3 * MIB);
  for (let page = 0; page < 2048; page += 3) patterned(PAGE_BYTES, page).copy(bytes, 32 * MIB + page * PAGE_BYTES);
  for (let seed = 0; seed < 1024; seed++) {
    const page = syntheticPage({ shape: PAGE_SHAPES[seed % PAGE_SHAPES.length]!, seed });
    page.copy(bytes, 48 * MIB + seed * PAGE_BYTES);
  }
  patterned(1000).copy(bytes, SIZE_BYTES - 1000);
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

function exportsOf(info: unknown): Record<string, unknown>[] {
  assert.ok(typeof info === 'object' && info !== null && 'exports' in info);
  return records(info.exports);
}

function records(value: unknown): Record<string, unknown>[] {
  assert.ok(Array.isArray(value));
  return value.filter((each): each is Record<string, unknown> => typeof each === 'object' && each !== null);
}
