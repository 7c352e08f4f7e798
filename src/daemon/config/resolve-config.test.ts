import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { type ErrorCode, TmemError } from '../../base/errors.js';
import { GIB, MIB } from '../../base/units.js';
import type { Config, ServeFlags } from './config.js';
import { resolveConfig } from './resolve-config.js';
import { type FileSystem, type Surroundings, thisMachine } from './surroundings.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-config-'));
after(() => rmSync(folder, { recursive: true }));

test('without a config root gets one guest with one swap disk of 1 GiB, in the standard places', () => {
  const config = resolveConfig({}, machine());
  assert.deepEqual(config, {
    file: null,
    runDir: '/run/tmem',
    runDirIsDefault: true,
    arena: { path: '/dev/shm/tmem', fs: 'tmpfs', isDefault: true },
    capacityBytes: 4 * GIB,
    capacityIsDefault: true,
    workers: 1,
    http: { host: '127.0.0.1', port: 7070 },
    tokenDigest: null,
    logLevel: 'info',
    guests: [
      {
        name: 'guest0',
        kind: 'vm',
        weight: 100,
        capBytes: null,
        reservationBytes: null,
        ownerUid: null,
        exports: [
          {
            guest: 'guest0',
            name: 'swap0',
            sizeBytes: GIB,
            socket: '/run/tmem/guest0-swap0.nbd',
            spill: null,
            domain: null,
          },
        ],
      },
    ],
    warnings: [],
  } satisfies Config);
});

test('another user gets places of its own, and is told that its sockets are private', () => {
  const config = resolveConfig({}, machine({ uid: 1000, runtimeDir: '/run/user/1000' }));
  assert.equal(config.runDir, '/run/user/1000/tmem');
  assert.equal(config.arena.path, '/dev/shm/tmem-1000');
  assert.deepEqual(codes(config), ['sockets-private']);
  assert.equal(resolveConfig({}, machine({ uid: 1000 })).runDir, '/tmp/tmem-run-1000');
});

test('half of the available memory is the capacity where it is less than 80 % of the file system', () => {
  assert.equal(resolveConfig({}, machine({ memory: 3 * GIB })).capacityBytes, 1.5 * GIB);
  assert.equal(resolveConfig({}, machine({ shm: tmpfs(64 * MIB) })).capacityBytes, 51 * MIB);
});

test('what an earlier life stored counts as free, so that a restart offers the same', () => {
  const before = resolveConfig({}, machine({ memory: 3 * GIB, shm: tmpfs(8 * GIB, 2 * GIB) }));
  const after1 = resolveConfig({}, machine({ memory: 2 * GIB, shm: tmpfs(8 * GIB, GIB), stored: GIB }));
  assert.equal(after1.capacityBytes, before.capacityBytes);
});

test('flags go before the file, and the file before the defaults', () => {
  const file = write(
    'capacity = "1GiB"\nhttp = "off"\nrun_dir = "/run/x"\nlog_level = "warn"\n[guest.a.swap.s]\nsize = 4096',
  );
  const config = resolveConfig({ config: file, capacityBytes: GIB / 2, logLevel: 'debug' }, machine());
  assert.deepEqual(
    [config.file, config.capacityBytes, config.http, config.runDir, config.logLevel],
    [file, GIB / 2, null, '/run/x', 'debug'],
  );
  assert.equal(config.guests[0]!.exports[0]!.socket, '/run/x/a-s.nbd');
});

test('the standard config file is read when it is present and no other is named', () => {
  const configFile = write('capacity = "1GiB"\n[guest.std.swap.s]\nsize = 4096');
  assert.equal(resolveConfig({}, { ...machine(), configFile }).guests[0]!.name, 'std');
  const config = write('[guest.named.swap.s]\nsize = 4096');
  const { guests, capacityBytes } = resolveConfig({ config }, { ...machine(), configFile });
  assert.deepEqual([guests.map(({ name }) => name), capacityBytes], [['named'], 4 * GIB]);
});

test('without a tmpfs the arena goes to the temp dir with a warning', () => {
  const config = resolveConfig({}, machine({ shm: disk(100 * GIB) }));
  assert.deepEqual(config.arena, { path: '/tmp/tmem', fs: 'disk', isDefault: true });
  assert.deepEqual(codes(config), ['arena-in-temp-dir']);
  assert.match(config.warnings[0]!.text, /cost disk writes/);
});

test('a tmpfs that may not be written is not usable', () => {
  const config = resolveConfig({}, machine({ shm: { ...tmpfs(GIB), writable: false } }));
  assert.equal(config.arena.path, '/tmp/tmem');
});

test('workers need room to keep back, each of them', () => {
  const config = write('workers = 3\n[guest.a.swap.s]\nsize = 4096');
  assert.equal(resolveConfig({ config, capacityBytes: 24 * MIB }, machine()).workers, 3);
  const needs = /^workers = 3 need a capacity of 24 MiB, and it is 16 MiB: raise it, or take fewer$/;
  refuses({ config, capacityBytes: 16 * MIB }, machine(), 'E_CONFIG', needs);
});

test('more swap than capacity without spill is a warning', () => {
  assert.deepEqual(codes(resolveConfig({ capacityBytes: 512 * MIB }, machine())), ['swap-over-capacity']);
});

test('a swap disk with a spill file needs no room in the capacity, one without does', () => {
  const swapDisk = (name: string, size: string, spill: string): string =>
    `[guest.a.swap.${name}]\nsize = "${size}"\n${spill}`;
  const spilled = swapDisk('s', '1TiB', 'spill = "/var/lib/s"\n');
  const config = resolveConfig({ config: write(spilled) }, machine());
  assert.deepEqual([codes(config), config.guests[0]!.exports[0]!.spill], [[], '/var/lib/s']);
  const both = resolveConfig({ config: write(spilled + swapDisk('t', '5GiB', '')) }, machine());
  assert.deepEqual(codes(both), ['swap-over-capacity']);
  assert.match(both.warnings[0]!.text, /^swap disks of 5 GiB have no spill and a capacity of 4 GiB/);
});

test('a spill file inside the arena is refused, one on another tmpfs is a warning', () => {
  const spill = (file: string): ServeFlags => ({
    config: write(`[guest.a.swap.s]\nsize = 4096\nspill = "${file}"`),
    arena: '/dev/shm/tmem/',
  });
  for (const file of ['/dev/shm/tmem', '/dev/shm/tmem/x', '/dev/shm/tmem/shard-0/../x'])
    refuses(
      spill(file),
      machine(),
      'E_CONFIG',
      /guest\.a\.swap\.s\.spill = ".*" is inside the arena \/dev\/shm\/tmem: name/,
    );
  const config = resolveConfig(spill('/dev/shm/tmem-spill/x'), machine());
  assert.deepEqual(codes(config), ['spill-in-memory']);
  assert.match(config.warnings[0]!.text, /of a\/s is on a tmpfs/);
});

test('more capacity than there is now is a warning, more than there ever can be is refused', () => {
  const shm = tmpfs(2 * GIB, GIB);
  assert.deepEqual(codes(resolveConfig({ capacityBytes: 1.5 * GIB }, machine({ shm }))), ['capacity-over-free']);
  refuses({ capacityBytes: 3 * GIB }, machine({ shm }), 'E_ARENA_FULL', /3 GiB .* whole file system .*\(2 GiB\)/);
});

test('a file system without room for the smallest arena is refused', () => {
  refuses({}, machine({ shm: tmpfs(8 * MIB) }), 'E_ARENA_FULL', /no room for an arena/);
});

test('an arena that is named may be on a disk, without a warning', () => {
  const config = resolveConfig({ arena: '/srv/arena' }, machine());
  assert.deepEqual(config.arena, { path: '/srv/arena', fs: 'disk', isDefault: false });
  assert.deepEqual(codes(config), []);
});

test('a config file that is named and absent is refused', () => {
  refuses({ config: '/nowhere/tmem.toml' }, machine(), 'E_CONFIG', /cannot read \/nowhere\/tmem.toml \(ENOENT\)/);
});

test('a socket path over 107 bytes is refused, one of 107 is not', () => {
  const fits = `/${'d'.repeat(107 - 1 - '/guest0-swap0.nbd'.length)}`;
  assert.equal(resolveConfig({ runDir: fits }, machine()).guests[0]!.exports[0]!.socket.length, 107);
  refuses({ runDir: `${fits}d` }, machine(), 'E_SOCKET_PATH', /has 108 bytes .* at most 107/);
});

test('owners become uids, and an unknown one is refused', () => {
  const owner = (name: string): ServeFlags => ({
    config: write(`[guest.a]\nowner = "${name}"\n[guest.a.swap.s]\nsize = 4096`),
  });
  assert.equal(resolveConfig(owner('qemu'), machine()).guests[0]!.ownerUid, 64055);
  refuses(owner('nobody-here'), machine(), 'E_OWNER', /no user "nobody-here", the owner of guest "a"/);
  const user = resolveConfig(owner('qemu'), machine({ uid: 1000 }));
  assert.match(user.warnings[0]!.text, /owner has no effect for a$/);
});

test('a config without exports is a warning', () => {
  assert.deepEqual(codes(resolveConfig({ config: write('') }, machine())), ['no-exports']);
});

test('this machine knows its memory, its file systems and root', () => {
  assert.ok(thisMachine.memAvailableBytes() > MIB);
  assert.ok(thisMachine.fileSystemOf('/').totalBytes > 0);
  assert.equal(thisMachine.uidOf('root'), 0);
  assert.equal(thisMachine.uidOf('no-such-user-here'), undefined);
  assert.ok(thisMachine.bytesUnder(folder) > 0);
  assert.equal(thisMachine.bytesUnder(path.join(folder, 'nothing')), 0);
});

interface Machine {
  uid?: number;
  runtimeDir?: string;
  memory?: number;
  shm?: FileSystem;
  stored?: number;
}

/** 8 GiB of memory, 16 GiB of `/dev/shm`, a disk everywhere else, one user but root. */
function machine({
  uid = 0,
  runtimeDir,
  memory = 8 * GIB,
  shm = tmpfs(16 * GIB),
  stored = 0,
}: Machine = {}): Surroundings {
  return {
    uid,
    runtimeDir,
    tempDir: '/tmp',
    configFile: '/nowhere/standard.toml',
    memAvailableBytes: () => memory,
    fileSystemOf: (place) => (place.startsWith('/dev/shm/') ? shm : disk(100 * GIB)),
    bytesUnder: () => stored,
    uidOf: (user) => (user === 'qemu' ? 64055 : undefined),
  };
}

function tmpfs(totalBytes: number, freeBytes = totalBytes): FileSystem {
  return { tmpfs: true, totalBytes, freeBytes, writable: true };
}

function disk(totalBytes: number): FileSystem {
  return { tmpfs: false, totalBytes, freeBytes: totalBytes, writable: true };
}

let files = 0;
function write(text: string): string {
  const file = path.join(folder, `${files++}.toml`);
  writeFileSync(file, text);
  return file;
}

function codes({ warnings }: Config): string[] {
  return warnings.map(({ code }) => code);
}

function refuses(flags: ServeFlags, where: Surroundings, code: ErrorCode, message: RegExp): void {
  assert.throws(
    () => resolveConfig(flags, where),
    (error) => {
      assert.ok(error instanceof TmemError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    },
  );
}
