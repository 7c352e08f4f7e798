/** The life of `tmem serve` with a fake shard: ready, asked, told to reread, stopped, killed, hung. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { StatusDocument } from '../../src/base/status.js';
import { needs } from '../support/needs.js';
import { makePlaces, type Places, tmem, TmemProcess } from '../support/tmem-process.js';

const needsRoot = { skip: needs('root') };

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('a daemon is ready with one line, one file, and sockets that accept', async () => {
  await using daemon = serve();
  const ready = await daemon.ready();
  const socket = path.join(places.runDir, 'guest0-swap0.nbd');
  assert.deepEqual(
    { ...ready, http: null },
    {
      v: 1,
      pid: daemon.pid,
      version: '0.1.0',
      run_dir: places.runDir,
      arena: places.arena,
      control: path.join(places.runDir, 'control.sock'),
      http: null,
      recovered: { pages: 3, dropped_records: 1, seconds_s: 0.25 },
      exports: [
        {
          name: 'guest0/swap0',
          socket,
          uri: `nbd+unix:///guest0/swap0?socket=${socket}`,
          mode: 'swap',
          size_bytes: 2 ** 30,
        },
      ],
    },
  );
  await tell(socket, '');
  assert.equal((await fetch(new URL('/healthz', ready.http!))).status, 200);
  const modes = ['control.sock', 'guest0-swap0.nbd', 'ready.json'].map(
    (name) => statSync(path.join(places.runDir, name)).mode & 0o777,
  );
  assert.deepEqual(modes, [0o600, process.getuid!() === 0 ? 0o660 : 0o600, 0o644]);
  const ended = await daemon.stop();
  assert.equal(ended.stdout, `tmem: ready ${places.runDir}\n`);
  assert.deepEqual([ended.code, ended.plain], [0, []]);
});

test('the log is JSON lines with level, time and message, and says what to type next', async () => {
  await using daemon = serve();
  await daemon.ready();
  const { log } = await daemon.stop();
  for (const line of log) {
    assert.match(String(line['level']), /^(info|warn)$/);
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(typeof line['msg'], 'string');
  }
  const next = log.find(({ msg }) => msg === 'what to type next')!['next'] as string[];
  assert.equal(next[0], `tmem status --run-dir ${places.runDir}`);
  assert.equal(next[1], `tmem attach guest0/swap0 --run-dir ${places.runDir}`);
});

test('an owner gets the sockets of its guest', needsRoot, async () => {
  await using daemon = serve('--config', config('[guest.vm1]\nowner = "nobody"\n[guest.vm1.swap.s]\nsize = "1MiB"\n'));
  const { exports } = await daemon.ready();
  const { uid, gid, mode } = statSync(exports[0]!.socket);
  assert.deepEqual([uid, gid, mode & 0o777], [65534, 0, 0o660]);
  assert.equal(statSync(places.runDir).mode & 0o777, 0o755);
});

test('status is the same by command and by HTTP, and on one screen for people', async () => {
  await using daemon = serve();
  const { http } = await daemon.ready();
  const asked = await tmem(['status', '--run-dir', places.runDir, '--json']);
  const byCommand = JSON.parse(asked.stdout) as StatusDocument;
  const byHttp = (await (await fetch(new URL('/api/v1/status', http!))).json()) as StatusDocument;
  const still = (status: StatusDocument): object => ({ ...status, uptime_s: 0, rss_bytes: 0 });
  assert.deepEqual(still(byCommand), still(byHttp));
  assert.deepEqual(Object.keys(byCommand), [
    'v',
    'pid',
    'version',
    'uptime_s',
    'rss_bytes',
    'arena',
    'ledger',
    'policy',
    'guests',
    'exports',
    'pools',
    'warnings',
  ]);
  assert.deepEqual(
    byCommand.warnings.map(({ code }) => code),
    ['swap-over-capacity'],
  );
  const screen = await tmem(['status', '--run-dir', places.runDir]);
  assert.deepEqual([asked.code, screen.code, screen.stderr], [0, 0, '']);
  assert.match(screen.stdout, /^guest0\/swap0 +swap +1GiB +1 +3 +1 +4KiB +- +5 +6 +7 +0$/m);
  assert.match(screen.stdout, /^gone +- +orphaned +no +- +- +- +1 +100B +0$/m);
  assert.ok(screen.stdout.split('\n').length < 24);
});

test('attach knows the exports of the daemon and no others', async () => {
  await using daemon = serve();
  await daemon.ready();
  const lines = await tmem(['attach', 'guest0/swap0', '--run-dir', places.runDir]);
  assert.ok(lines.stdout.includes(`server.path=${places.runDir}/guest0-swap0.nbd,export=guest0/swap0,`));
  const libvirt = await tmem(['attach', 'guest0/swap0', '--run-dir', places.runDir, '--libvirt']);
  assert.match(libvirt.stdout, /^<disk /);
  const client = await tmem(['attach', 'guest0/swap0', '--run-dir', places.runDir, '--nbd-client']);
  assert.match(client.stdout, /^nbd-client /m);
  const other = await tmem(['attach', 'guest0/swap1', '--run-dir', places.runDir]);
  assert.deepEqual(
    [other.code, other.stderr],
    [1, 'tmem: E_NOT_FOUND: no export "guest0/swap1": there are guest0/swap0\n'],
  );
  const both = await tmem(['attach', 'guest0/swap0', '--libvirt', '--qemu']);
  assert.deepEqual([both.code, both.stderr], [2, 'tmem: E_USAGE: choose one of --qemu, --libvirt and --nbd-client\n']);
});

test('without a daemon commands say so in one line', async () => {
  for (const args of [['status'], ['attach', 'guest0/swap0']]) {
    const ended = await tmem([...args, '--run-dir', places.runDir]);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /^tmem: E_NO_DAEMON: no daemon at .*control.sock \(ENOENT\): start one .*\n$/);
  }
});

test('check leaves an arena in use alone, and misses one that is not there', async () => {
  const missing = await tmem(['check', '--arena', places.arena]);
  assert.deepEqual([missing.code, missing.plain.length], [1, 1]);
  assert.match(missing.stderr, /^tmem: E_NOT_FOUND: no arena at /);
  await using daemon = serve();
  await daemon.ready();
  const busy = await tmem(['check', '--arena', places.arena]);
  assert.deepEqual([busy.code, busy.plain.length], [1, 1]);
  assert.match(busy.stderr, /^tmem: E_ARENA_BUSY: /);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops cleanly: the shard is asked, sockets and ready.json go`, async () => {
    await using daemon = serve();
    await daemon.ready();
    const ended = await daemon.stop(signal);
    assert.deepEqual([ended.code, ended.signal, ended.plain], [0, null, []]);
    assert.ok(ended.log.some(({ msg }) => msg === 'the fake shard has stopped'));
    assert.deepEqual([readdirSync(places.folder), readdirSync(places.shm)], [[], []]);
  });
}

test('a signal in the middle of recovery ends the start and leaves nothing', async () => {
  await using daemon = serve('--config', config('[guest.slow.swap.s]\nsize = "1MiB"\n'));
  await daemon.logged(/"starting"/);
  await daemon.waitFor(() => existsSync(path.join(places.runDir, 'control.sock')), 'the control socket');
  const status = await tmem(['status', '--run-dir', places.runDir]);
  assert.match(status.stderr, /^tmem: E_NOT_READY: the daemon is still recovering its arena: try again in a second\n$/);
  const ended = await daemon.stop();
  assert.deepEqual([ended.code, ended.stdout, ended.plain], [0, '', []]);
  assert.deepEqual([readdirSync(places.folder), readdirSync(places.shm)], [[], ['tmem.toml']]);
});

test('a second signal ends at once', async () => {
  await using daemon = serve();
  const { exports } = await daemon.ready();
  await tell(exports[0]!.socket, 'never stop');
  await daemon.logged(/will never stop/);
  daemon.signal('SIGTERM');
  await daemon.logged(/"stopping"/);
  const since = Date.now();
  const ended = await daemon.stop();
  assert.deepEqual([ended.code, ended.signal, ended.plain], [0, null, []]);
  assert.ok(Date.now() - since < 3000);
});

test('a stop that takes too long is given up within 10 s', async () => {
  await using daemon = serve();
  const { exports } = await daemon.ready();
  await tell(exports[0]!.socket, 'never stop');
  await daemon.logged(/will never stop/);
  const since = Date.now();
  const ended = await daemon.stop();
  assert.equal(ended.code, 1);
  assert.ok(Date.now() - since < 10_000, `${Date.now() - since} ms`);
});

test('after kill -9 the next daemon takes arena, sockets and ready.json over', async () => {
  {
    await using killed = serve();
    await killed.ready();
    await killed.stop('SIGKILL');
  }
  assert.deepEqual(readdirSync(places.runDir).toSorted(), ['control.sock', 'guest0-swap0.nbd', 'ready.json']);
  await using daemon = serve();
  assert.equal((await daemon.ready()).pid, daemon.pid);
  assert.equal((await daemon.stop()).code, 0);
});

test('a daemon starts again in an arena that has filled its file system', needsRoot, async () => {
  // What a killed daemon leaves: its owner.json, and not a page to write another one beside it.
  const inMounts = `mount -t tmpfs -o size=16m none '${places.shm}'
    mkdir '${places.arena}'
    echo '{}' > '${places.arena}/owner.json'
    cat /dev/zero > '${places.arena}/full' 2> /dev/null || true`;
  await using daemon = new TmemProcess(['serve', ...places.args, '--capacity', '16MiB'], { inMounts });
  await daemon.ready();
  assert.equal((await daemon.stop()).code, 0);
});

test('a shard that dies ends the daemon with 1 and one line', async () => {
  await using daemon = serve();
  const { exports } = await daemon.ready();
  await tell(exports[0]!.socket, 'die');
  const ended = await daemon.ended;
  assert.equal(ended.code, 1);
  assert.deepEqual(ended.plain, ['tmem: E_INTERNAL: the shard ended: the fake shard died as it was asked']);
  assert.deepEqual(readdirSync(places.folder), []);
});

test('a shard that hangs ends the daemon within 5 s with 1 and one line', async () => {
  await using daemon = serve();
  const { exports } = await daemon.ready();
  const since = Date.now();
  await tell(exports[0]!.socket, 'hang');
  const ended = await daemon.ended;
  const took = Date.now() - since;
  assert.equal(ended.code, 1);
  assert.equal(ended.plain.length, 1);
  assert.match(ended.plain[0]!, /^tmem: E_INTERNAL: the shard has not answered for 4 s/);
  assert.ok(ended.log.some(({ level }) => level === 'fatal'));
  assert.ok(took > 3000 && took < 9000, `${took} ms`);
  assert.deepEqual(readdirSync(places.folder), []);
});

for (const [word, line] of [
  ['hang', /^tmem: E_INTERNAL: the shard has not answered for 4 s/],
  ['die', /^tmem: E_INTERNAL: the shard ended: the fake shard died as it was asked/],
] as const) {
  test(`of two shards one that is told to ${word} ends the daemon, whichever it is`, async () => {
    const file = config('workers = 2\n[guest.a.swap.s]\nsize = "1MiB"\n[guest.b.swap.s]\nsize = "1MiB"\n');
    await using daemon = serve('--config', file);
    const { exports } = await daemon.ready();
    await tell(exports[1]!.socket, word);
    const ended = await daemon.ended;
    assert.equal(ended.code, 1);
    assert.equal(ended.plain.length, 1);
    assert.match(ended.plain[0]!, line);
    assert.ok(!existsSync(places.runDir));
  });
}

test('SIGHUP applies what may change live and names what needs a restart', async () => {
  const file = config('[guest.a.swap.s]\nsize = "1MiB"\n[guest.b.swap.s]\nsize = "1MiB"\n');
  await using daemon = serve('--config', file);
  await daemon.ready();
  config(`capacity = "1GiB"
run_dir = "/run/elsewhere"
log_level = "debug"
[guest.a]
cap = "32MiB"
[guest.a.swap.s]
size = "2MiB"
[guest.c.swap.s]
size = "1MiB"
`);
  daemon.signal('SIGHUP');
  await daemon.logged(/config read again/);
  // Flags go before the file, also the second time: only the size is left to wait for a restart.
  await daemon.logged(/a restart is needed for guest\.a\.swap\.s\.size"/);
  await daemon.logged(/cap of a is now 33554432/);
  const { exports } = await daemon.ready();
  assert.deepEqual(
    exports.map(({ name, size_bytes }) => [name, size_bytes]),
    [
      ['a/s', 2 ** 20],
      ['c/s', 2 ** 20],
    ],
  );
  assert.deepEqual(
    readdirSync(places.runDir).filter((name) => name.endsWith('.nbd')),
    ['a-s.nbd', 'c-s.nbd'],
  );
  const { stdout } = await tmem(['status', '--run-dir', places.runDir, '--json']);
  const { guests } = JSON.parse(stdout) as StatusDocument;
  assert.deepEqual(
    guests.slice(0, 2).map(({ name, cap_bytes }) => [name, cap_bytes]),
    [
      ['a', 2 ** 25],
      ['c', null],
    ],
  );
});

test('SIGHUP adds what can be added, shows that alone, and tries the rest again the next time', async () => {
  await using daemon = serve('--config', config('[guest.a.swap.s]\nsize = "1MiB"\n'));
  await daemon.ready();
  const guests = ['a', 'b', 'late', 'z'];
  config(guests.map((guest) => `[guest.${guest}.swap.s]\nsize = "1MiB"\n`).join(''));
  const inTheWay = path.join(places.runDir, 'b-s.nbd');
  mkdirSync(inTheWay);
  daemon.signal('SIGHUP');
  await daemon.logged(/config read again/);
  await daemon.logged(/"E_SOCKET_BUSY".*not served: .*b-s\.nbd is in the way/);
  await daemon.logged(/"E_ARENA_FULL".*not served: the fake shard has no room for late\/s yet/);
  assert.deepEqual(await served(daemon), ['a/s', 'z/s']);

  rmdirSync(inTheWay);
  daemon.signal('SIGHUP');
  await daemon.logged(/"added":\["b\/s","late\/s"\]/);
  await daemon.waitFor(() => existsSync(inTheWay), 'the socket that something was in the way of');
  assert.deepEqual(await served(daemon), ['a/s', 'b/s', 'late/s', 'z/s']);
});

test('an export that is taken out keeps its pages, and status says so', async () => {
  const one = '[guest.a.swap.s]\nsize = "1MiB"\n';
  await using daemon = serve('--config', config(`${one}[guest.a.swap.t]\nsize = "1MiB"\n`));
  await daemon.ready();
  config(one);
  daemon.signal('SIGHUP');
  await daemon.logged(/config read again/);
  const { stdout } = await tmem(['status', '--run-dir', places.runDir]);
  assert.match(
    stdout,
    /^warning: pool a\/t keeps 3 pages \(4 KiB stored\) that no export serves: put \[guest\.a\.swap\.t\]/m,
  );
  assert.doesNotMatch(stdout, /pool a\/s keeps/);
});

test('a guest that comes back without a cap has none', async () => {
  const [a, b] = ['[guest.a.swap.s]\nsize = "1MiB"\n', '[guest.b.swap.s]\nsize = "1MiB"\n'];
  await using daemon = serve('--config', config(`${a}${b}[guest.b]\ncap = "32MiB"\n`));
  await daemon.ready();
  config(a);
  daemon.signal('SIGHUP');
  await daemon.logged(/cap of b is now null/);
});

test('SIGHUP with a broken config changes nothing and says why', async () => {
  await using daemon = serve('--config', config('[guest.a.swap.s]\nsize = "1MiB"\n'));
  const before = await daemon.ready();
  config('[guest.a.swap.s]\nsise = 1\n');
  daemon.signal('SIGHUP');
  await daemon.logged(/not reloaded: .* line 2: unknown key \\"sise\\"/);
  assert.deepEqual(await daemon.ready(), before);
  assert.equal((await daemon.stop()).code, 0);
});

test('systemd is told when it asked to be', async () => {
  const tool = path.join(places.folder, 'bin', 'systemd-notify');
  mkdirSync(path.dirname(tool));
  writeFileSync(tool, `#!/bin/sh\necho "$@" > ${places.folder}/told\n`);
  chmodSync(tool, 0o755);
  const env = { NOTIFY_SOCKET: '/run/x', PATH: `${path.dirname(tool)}:${process.env['PATH']}` };
  await using daemon = new TmemProcess(['serve', ...places.args], { env });
  await daemon.logged(/what to type next/);
  assert.equal(readFileSync(path.join(places.folder, 'told'), 'utf8'), `--ready --pid=${daemon.pid}\n`);
});

test('a reader of stdout and stderr that leaves does not end the daemon', async () => {
  await using daemon = serve();
  const { http } = await daemon.ready();
  daemon.stopReading();
  daemon.signal('SIGHUP');
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await fetch(new URL('/healthz', http!))).status, 200);
});

/** Exports by name, on which ready file and status agree. */
async function served(daemon: TmemProcess): Promise<string[]> {
  const { exports } = await daemon.ready();
  const { stdout } = await tmem(['status', '--run-dir', places.runDir, '--json']);
  const names = exports.map(({ name }) => name);
  assert.deepEqual(
    (JSON.parse(stdout) as StatusDocument).exports.map(({ name }) => name),
    names,
  );
  return names;
}

function serve(...args: string[]): TmemProcess {
  return new TmemProcess(['serve', ...places.args, ...args]);
}

/** Writes the config file of this test, again if it is there. */
function config(text: string): string {
  const file = path.join(places.shm, 'tmem.toml');
  writeFileSync(file, text);
  return file;
}

/** Says a word to the fake shard behind an export's socket. */
function tell(socket: string, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => connection.end(word, () => resolve()));
    // After the word is out, an error is the fake's way to go.
    connection.on('error', reject);
  });
}
