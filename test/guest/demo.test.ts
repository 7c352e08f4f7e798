/** The command `tmem demo` itself, as somebody types it: what it says, how it ends, and that nothing is left of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { GUEST_DATA_MIB } from '../../src/rig/demo/demo-guest.js';
import type { DemoReport } from '../../src/rig/demo/report.js';
import { projectFolder } from '../../src/rig/tools.js';
import { needs } from '../support/needs.js';
import { TmemProcess } from '../support/tmem-process.js';

const skip = needs('qemu-system-x86_64', 'guest-kernel', 'busybox');
const LIMIT_SECONDS = 400;

test(
  'two guests swap over a kill -9 of the daemon, and to disk and back, and find every page right',
  { skip },
  async (t) => {
    const demo = start(t, ['--json', '--seconds', '10']);
    const { code, stdout, stderr } = await demo.process.ended;

    assert.deepEqual([code, stderr], [0, '']);
    const report: DemoReport = JSON.parse(stdout);
    assert.equal(stdout, `${JSON.stringify(report)}\n`, 'one document and nothing else');
    assert.deepEqual(Object.keys(report), ['v', 'guests', 'kills', 'spills', 'peak']);
    assert.equal(report.v, 1);
    assert.deepEqual(
      report.guests.map(({ name }) => name),
      ['vm1', 'vm2'],
    );
    const pages = GUEST_DATA_MIB * 256;
    for (const guest of report.guests) {
      assert.equal(guest.bad, 0);
      assert.ok(guest.rounds >= 1 && guest.pages_verified >= pages, `${guest.name} has checked all that it has`);
      assert.ok(guest.swap_ins_after_kill > 1000, `${guest.name} has swapped in after the kill`);
      assert.ok(guest.swap_ins_after_kill < guest.swap_ins, `${guest.name} has swapped in before the kill`);
      // A request reads several pages where the guest reads ahead.
      assert.ok(guest.reads_after_kill > 100, `the daemon has counted reads of ${guest.name}`);
    }
    const [kill] = report.kills;
    assert.equal(report.kills.length, 1);
    assert.ok(kill!.in_flight > 0 && kill!.down_s >= 2 && kill!.at_s > 0, JSON.stringify(kill));
    const [spill] = report.spills;
    assert.equal(report.spills.length, 1);
    assert.ok(spill!.stored_bytes_after < spill!.stored_bytes_before / 2, JSON.stringify(spill));
    assert.ok(spill!.arena_bytes_after < spill!.arena_bytes_before, JSON.stringify(spill));
    assert.ok(spill!.spilled_pages > 10_000 && spill!.returned_pages > 1000, JSON.stringify(spill));
    assert.ok(report.peak.stored_pages > 20_000 && report.peak.stored_bytes < report.peak.stored_pages * 4096);
    nothingIsLeft(demo);
    console.log(stdout.trimEnd());
  },
);

// The rest is worth something only if a demo can fail.
test('a demo whose pages are lost with the daemon fails', { skip }, async (t) => {
  const demo = start(t, ['--guests', '1', '--seconds', '10']);
  await demo.said(/ kill -9 of the daemon /);
  const arena = / keeps pages in (?<arena>\S+)/.exec(demo.process.stdout)!.groups!['arena']!;
  for (const name of readdirSync(arena)) rmSync(path.join(arena, name), { recursive: true });
  const { code, stdout, plain } = await demo.process.ended;
  assert.equal(code, 1);
  assert.doesNotMatch(stdout, /every page was right/);
  assert.equal(plain.length, 1, plain.join('\n'));
  assert.match(plain[0]!, /^tmem: E_INTERNAL: vm1 (?:found [1-9]\d* wrong pages|has lost its workload)/);
  nothingIsLeft(demo);
});

for (const [signal, status, when] of [
  ['SIGINT', 130, / is up and swaps /],
  ['SIGTERM', 143, / keeps pages in /],
] as const) {
  test(`${signal} in the middle ends it with ${status} and leaves nothing`, { skip }, async (t) => {
    const demo = start(t, []);
    await demo.said(when);
    const { code, stderr } = await demo.process.stop(signal);
    assert.deepEqual([code, stderr], [status, '']);
    nothingIsLeft(demo);
  });
}

for (const [who, named] of [
  ['daemon', /tmem serve \(process (?<pid>\d+)\)/],
  ['guest', /vm2 \(process (?<pid>\d+)\)/],
] as const) {
  test(`a ${who} that dies ends it with one line, and leaves nothing`, { skip }, async (t) => {
    const demo = start(t, []);
    await demo.said(/vm2 \(process/);
    process.kill(Number(named.exec(demo.process.stdout)!.groups!['pid']), 'SIGKILL');
    const { code, plain } = await demo.process.ended;
    assert.equal(code, 1);
    assert.equal(plain.length, 1, plain.join('\n'));
    assert.match(
      plain[0]!,
      who === 'daemon' ? /^tmem: E_INTERNAL: the daemon ended with SIGKILL/ : /vm2 has ended early/,
    );
    nothingIsLeft(demo);
  });
}

const asRoot = needs('qemu-system-x86_64', 'guest-kernel', 'busybox', 'root');
test('where its arena has no room it says so, and boots nothing', { skip: asRoot }, async (t) => {
  const demo = start(t, [], 'mount -t tmpfs -o size=64m none /dev/shm');
  const { code, stdout, plain } = await demo.process.ended;
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(plain.join('\n'), /^tmem: E_ARENA_FULL: the demo needs 192 MiB in \/dev\/shm and 64 MiB are free: .*$/);
  nothingIsLeft(demo);
});

interface RunningDemo {
  readonly process: TmemProcess;
  /** Its temp dir, named on the command line of whatever it starts. */
  readonly folder: string;
  said(words: RegExp): Promise<void>;
}

/** @param inMounts - see {@link TmemProcess} */
function start(t: TestContext, args: readonly string[], inMounts?: string): RunningDemo {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-test-'));
  const main = path.join(projectFolder(), 'dist/src/cli/tmem.js');
  const mounts = inMounts === undefined ? {} : { inMounts };
  const options = { main, env: { TMPDIR: folder }, limitSeconds: LIMIT_SECONDS, ...mounts };
  const running = new TmemProcess(['demo', ...args], options);
  t.after(async () => {
    await running[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  const said = (words: RegExp): Promise<void> => running.waitFor(() => words.test(running.stdout), String(words));
  return { process: running, folder, said };
}

function nothingIsLeft({ folder }: RunningDemo): void {
  assert.deepEqual(readdirSync(folder), [], 'the temp dir is empty: no socket, no initramfs, no config');
  assert.deepEqual(
    readdirSync('/dev/shm').filter((name) => name.startsWith('tmem-demo-')),
    [],
    'no arena',
  );
  assert.deepEqual(
    commandLines().filter((line) => line.includes(folder)),
    [],
    'no process',
  );
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(path.join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ')];
      } catch {
        // It has ended since.
        return [];
      }
    });
}
