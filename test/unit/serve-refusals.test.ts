/** What keeps `tmem serve` from starting: one line with a code, the right status, nothing left behind. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { getStatus } from '../../src/client/control/get-status.js';
import { projectFolder } from '../../src/rig/tools.js';
import { excuseFor, needs } from '../support/needs.js';
import { type Ended, makePlaces, type Places, tmem, TmemProcess } from '../support/tmem-process.js';

const needsRoot = { skip: needs('root') };

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('a mistake in the config ends with 2, and --check-config says the same', async () => {
  const file = path.join(places.folder, 'tmem.toml');
  writeFileSync(file, '\n[guest.vm1]\nwieght = 5\n');
  for (const extra of [[], ['--check-config']]) {
    const ended = await serve('--config', file, ...extra);
    isRefused(ended, 2, /^tmem: E_CONFIG: .*tmem.toml line 3: unknown key "wieght" in \[guest.vm1\]: .* "weight"$/);
    assert.deepEqual(readdirSync(places.folder), ['tmem.toml']);
  }
});

test('a good config is ok, and checking it makes nothing', async () => {
  const file = path.join(places.folder, 'tmem.toml');
  writeFileSync(file, '[guest.vm1.swap.s]\nsize = "32MiB"\n');
  const ended = await serve('--config', file, '--check-config');
  assert.deepEqual([ended.code, ended.log], [0, []]);
  assert.match(ended.stdout, /^ok: .*tmem.toml: 1 exports of 1 guests, arena .*arena \(tmpfs, 64 MiB\)/);
  assert.deepEqual(readdirSync(places.folder), ['tmem.toml']);
});

for (const [what, args, message] of [
  ['an unknown option', ['--capcity', '1G'], /unknown option '--capcity' \(Did you mean --capacity\?\)/],
  ['a decimal size', ['--capacity', '2GB'], /argument '2GB' is invalid\. It is not a size: write "2GiB"/],
  ['a size too small', ['--capacity', '4096'], /needs at least 8 MiB/],
  ['a size too large', ['--capacity', '65G'], /at most 64 GiB/],
  ['a bad address', ['--http', '7070'], /argument '7070' is invalid/],
  ['a bad level', ['--log-level', 'loud'], /argument 'loud' is invalid/],
  ['an argument too many', ['extra'], /too many arguments/],
] as const) {
  test(`${what} is a usage error`, async () => {
    isRefused(await serve(...args), 2, new RegExp(`^tmem: E_USAGE: .*${message.source}`));
    nothingIsLeft();
  });
}

test('a run_dir that cannot be written is refused', needsRoot, async () => {
  mkdirSync(places.runDir);
  const inMounts = `mount -t tmpfs -o ro,size=1m none '${places.runDir}'`;
  const ended = await tmem(['serve', ...places.args], { inMounts });
  isRefused(ended, 1, /^tmem: E_RUN_DIR: cannot use run_dir .*run \(EROFS\): name another with --run-dir$/);
  assert.deepEqual(readdirSync(places.shm), []);
});

test('a run_dir that cannot be made is refused', async () => {
  const ended = await serve('--run-dir', '/proc/tmem');
  isRefused(ended, 1, /^tmem: E_RUN_DIR: cannot use run_dir \/proc\/tmem/);
  nothingIsLeft();
});

test('a socket path over 107 bytes is refused', async () => {
  const ended = await serve('--run-dir', path.join(places.folder, 'd'.repeat(100)));
  isRefused(ended, 1, /^tmem: E_SOCKET_PATH: .* at most 107: use a shorter run_dir$/);
  nothingIsLeft();
});

test('an owner who does not exist is a mistake in the config, and --check-config says the same', async () => {
  const file = path.join(places.shm, 'tmem.toml');
  writeFileSync(file, '[guest.vm1]\nowner = "nobody-of-that-name"\n[guest.vm1.swap.s]\nsize = "1MiB"\n');
  for (const extra of [[], ['--check-config']]) {
    const ended = await serve('--config', file, ...extra);
    isRefused(ended, 2, /^tmem: E_OWNER: no user "nobody-of-that-name", the owner of guest "vm1"/);
    assert.deepEqual(readdirSync(places.folder), []);
  }
});

test('a busy port is refused', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const ended = await serve('--http', `127.0.0.1:${port}`);
  server.close();
  isRefused(ended, 1, /^tmem: E_HTTP_BUSY: cannot listen on 127.0.0.1:\d+ \(EADDRINUSE\): .* or "off"$/);
  nothingIsLeft();
});

test('a start that is refused leaves no ready.json of a daemon that was killed', async () => {
  mkdirSync(places.runDir);
  writeFileSync(path.join(places.runDir, 'ready.json'), '{"v":1}\n');
  const ended = await serve('--http', '203.0.113.1:1');
  isRefused(ended, 1, /^tmem: E_HTTP_BUSY: /);
  assert.deepEqual(readdirSync(places.runDir), []);
});

test('a capacity over the whole file system of the arena is refused', needsRoot, async () => {
  const inMounts = `mount -t tmpfs -o size=64m none '${places.shm}'`;
  const ended = await tmem(['serve', ...places.args, '--capacity', '128MiB'], { inMounts });
  isRefused(ended, 1, /^tmem: E_ARENA_FULL: capacity 128 MiB is more than the whole file system .* \(64 MiB\)/);
  nothingIsLeft();
});

test('an arena that is named and not on tmpfs is served as one on a disk', needsRoot, async () => {
  // Whatever the machine has: a file system that is surely not tmpfs.
  const inMounts = `mount -t ramfs none '${places.shm}'`;
  await using daemon = new TmemProcess(['serve', ...places.args], { inMounts });
  await daemon.ready();
  assert.equal((await getStatus(places.runDir)).status.arena.fs, 'disk');
  const { code, plain } = await daemon.stop();
  assert.deepEqual([code, plain], [0, []]);
});

test('without a tmpfs an arena that nobody named goes to the temp dir, and this is told', needsRoot, async () => {
  await using daemon = new TmemProcess(['serve', '--run-dir', places.runDir, '--http', 'off', '--capacity', '64MiB'], {
    inMounts: 'mount -t ramfs -o mode=0555 none /dev/shm',
    env: { TMPDIR: places.folder },
  });
  const ready = await daemon.ready();
  const { log } = await daemon.stop();
  if (ready.arena === '/dev/shm/tmem') assert.fail('a ramfs was taken for a tmpfs');
  assert.equal(ready.arena, path.join(places.folder, 'tmem'));
  assert.ok(log.some(({ level, code }) => level === 'warn' && code === 'arena-in-temp-dir'));
});

test('an arena in a shared place that belongs to somebody else is refused', needsRoot, async () => {
  const inMounts = 'mount -t tmpfs none /dev/shm; mkdir /dev/shm/tmem; chown 65534 /dev/shm/tmem';
  const ended = await tmem(['serve', '--run-dir', places.runDir, '--http', 'off'], { inMounts });
  isRefused(ended, 1, /^tmem: E_DENIED: arena \/dev\/shm\/tmem is not a directory of user 0 alone/);
  nothingIsLeft();
});

test('a second daemon on the arena is refused and does not disturb the first', async () => {
  await using first = new TmemProcess(['serve', ...places.args]);
  const ready = await first.ready();
  isRefused(await serve(), 1, /^tmem: E_ARENA_BUSY: arena .*: another daemon uses it: stop that daemon/);
  isRefused(await serve('--run-dir', path.join(places.folder, 'other')), 1, /^tmem: E_ARENA_BUSY: /);
  assert.deepEqual(await first.ready(), ready);
  assert.deepEqual(readdirSync(places.folder), ['run']);
  assert.equal((await first.stop()).code, 0);
});

test('a second daemon in another network namespace is refused too', needsRoot, async () => {
  await using first = new TmemProcess(['serve', ...places.args]);
  const { pid } = await first.ready();
  const inMounts = 'set -- unshare -n "$@"';
  const ended = await tmem(['serve', ...places.args, '--http', 'off'], { inMounts });
  isRefused(ended, 1, new RegExp(`^tmem: E_ARENA_BUSY: .* the daemon with pid ${pid} uses it`));
});

test('a check in other network and pid namespaces leaves an arena in use alone too', needsRoot, async () => {
  await using first = new TmemProcess(['serve', ...places.args]);
  await first.ready();
  const inMounts = 'set -- unshare --net --pid --fork --kill-child --mount-proc "$@"';
  const ended = await tmem(['check', '--arena', places.arena], { inMounts });
  isRefused(ended, 1, /^tmem: E_ARENA_BUSY: .* a daemon of another container uses it, or did 10 s ago/);
});

test('a second daemon in the same run_dir is refused and does not disturb the first', async () => {
  await using first = new TmemProcess(['serve', ...places.args]);
  const ready = await first.ready();
  const ended = await serve('--arena', path.join(places.shm, 'other'));
  isRefused(ended, 1, /^tmem: E_SOCKET_BUSY: .*control.sock is served by another process/);
  assert.deepEqual(readdirSync(places.shm), ['arena']);
  assert.deepEqual(await first.ready(), ready);
});

for (const [guest, message] of [
  ['damaged', /^tmem: E_ARENA_DAMAGED: the fake arena is damaged: so it was asked$/],
  ['broken', /^tmem: E_INTERNAL: the fake shard is broken$/],
] as const) {
  test(`a shard that does not open (${guest}) ends the start`, async () => {
    const file = path.join(places.shm, 'tmem.toml');
    writeFileSync(file, `[guest.${guest}.swap.s]\nsize = "1MiB"\n`);
    isRefused(await serve('--config', file), 1, message);
    assert.deepEqual([readdirSync(places.folder), readdirSync(places.shm)], [[], ['tmem.toml']]);
  });
}

test('another user gets places of its own and sockets of its own', needsRoot, async (t) => {
  // The project may lie in a folder of root's alone, so it is seen at another place.
  const inMounts = `mount -t tmpfs -o mode=1777 none /dev/shm; mount --bind '${projectFolder()}' /mnt`;
  const options = { inMounts, user: 65534, main: '/mnt/dist/test/support/fake-tmem.js' };
  chmodSync(places.folder, 0o777);
  const probe = await tmem(['--version'], options);
  if (probe.code !== 0) return t.skip(excuseFor('a node and a build that another user can read'));
  await using daemon = new TmemProcess(['serve', '--http', 'off'], { ...options, env: { TMPDIR: places.folder } });
  const ready = await daemon.ready();
  assert.deepEqual([ready.run_dir, ready.arena], [path.join(places.folder, 'tmem-run-65534'), '/dev/shm/tmem-65534']);
  const { code, log } = await daemon.stop();
  assert.equal(code, 0);
  assert.ok(log.some((line) => line['code'] === 'sockets-private'));
});

function serve(...args: string[]): Promise<Ended> {
  return tmem(['serve', ...places.args, ...args]);
}

function isRefused(ended: Ended, code: number, line: RegExp): void {
  assert.equal(ended.plain.length, 1, `one line, not\n${ended.stderr}`);
  assert.match(ended.plain[0]!, line);
  assert.deepEqual([ended.code, ended.stdout], [code, '']);
}

function nothingIsLeft(): void {
  assert.deepEqual([readdirSync(places.folder), readdirSync(places.shm)], [[], []]);
}
