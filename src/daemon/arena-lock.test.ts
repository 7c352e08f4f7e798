import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TmemError } from '../base/errors.js';
import { type ArenaLock, lockArena, lockArenaForReading } from './arena-lock.js';
import { ownIdentity, startTicksOf } from './process-identity.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-lock-'));
after(() => rmSync(folder, { recursive: true }));
let arena = folder;
beforeEach(() => {
  arena = mkdtempSync(path.join(folder, 'arena-'));
});

test('a second lock is refused, one after the release is not', async () => {
  const lock = await take();
  await assert.rejects(take(), isBusy(/another daemon uses it/));
  await assert.rejects(lockArenaForReading(arena), isBusy(/another daemon uses it/));
  lock.release();
  assert.deepEqual(readdirSync(arena), []);
  (await take()).release();
});

test('the owner file says who has the arena and leaves nothing beside itself', async () => {
  const lock = await take();
  const owner: unknown = JSON.parse(readFileSync(ownerFile(), 'utf8'));
  assert.deepEqual(Object.keys(owner as object), [
    'v',
    'pid',
    'start_ticks',
    'boot_id',
    'pid_namespace',
    'run_dir',
    'since',
  ]);
  assert.deepEqual(readdirSync(arena), ['owner.json']);
  lock.release();
});

test('a living owner that the abstract socket cannot show keeps the arena', async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 30000)'], { stdio: 'ignore' });
  try {
    writeOwner({ pid: child.pid!, start_ticks: startTicksOf(child.pid!)! });
    await assert.rejects(take(), isBusy(new RegExp(`the daemon with pid ${child.pid} uses it`)));
    await assert.rejects(lockArenaForReading(arena), isBusy(/uses it/));
  } finally {
    child.kill('SIGKILL');
  }
});

for (const [what, changed] of [
  ['whose process is gone', { pid: 2 ** 22 + 1 }],
  ['whose pid is another process by now', { start_ticks: '1' }],
  ['of another boot', { boot_id: 'another' }],
] as const) {
  test(`an owner file ${what} is taken over`, async () => {
    writeOwner(changed);
    const lock = await take();
    assert.match(readFileSync(ownerFile(), 'utf8'), new RegExp(`"pid":${process.pid},`));
    lock.release();
  });
}

test('an owner file cut off by a crash is taken over', async () => {
  writeFileSync(ownerFile(), '{"v":1,"pid":');
  (await take()).release();
  assert.equal(existsSync(ownerFile()), false);
});

test('an owner in another pid namespace is believed while its file is fresh', async () => {
  writeOwner({ pid_namespace: 'pid:[1]' });
  await assert.rejects(take(), isBusy(/another container/));
  await assert.rejects(lockArenaForReading(arena), isBusy(/another container/));
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(ownerFile(), longAgo, longAgo);
  (await lockArenaForReading(arena)).release();
  (await take()).release();
});

test('an owner that finds another name in its file is told', async () => {
  let tell: () => void = () => {};
  const told = new Promise<void>((resolve) => (tell = resolve));
  const lock = await lockArena(arena, '/run/x', tell);
  writeOwner({ pid: 1 });
  // The lock keeps no process alive; this does.
  const limit = setTimeout(() => assert.fail('nobody was told'), 10_000);
  await told;
  clearTimeout(limit);
  lock.release();
  assert.ok(existsSync(ownerFile()), 'what is not ours is not removed');
});

test('an owner file that cannot be read is no theft, and one that is gone comes back', async () => {
  const lock = await lockArena(arena, '/run/x', () => assert.fail('nobody has taken the arena'));
  const text = readFileSync(ownerFile(), 'utf8');
  rmSync(ownerFile());
  mkdirSync(ownerFile());
  // Longer than a beat.
  await sleep(2500);
  rmdirSync(ownerFile());
  for (let beat = 0; beat < 10 && !existsSync(ownerFile()); beat++) await sleep(1000);
  assert.equal(readFileSync(ownerFile(), 'utf8'), text);
  assert.deepEqual(readdirSync(arena), ['owner.json']);
  lock.release();
});

test('looking at an arena writes nothing into it', async () => {
  const lock = await lockArenaForReading(arena);
  assert.deepEqual(readdirSync(arena), []);
  await assert.rejects(take(), isBusy(/another daemon/));
  lock.release();
});

function take(): Promise<ArenaLock> {
  return lockArena(arena, '/run/x', () => {});
}

function ownerFile(): string {
  return path.join(arena, 'owner.json');
}

function writeOwner(changed: Partial<ReturnType<typeof ownIdentity>>): void {
  writeFileSync(ownerFile(), JSON.stringify({ v: 1, ...ownIdentity(), ...changed }));
}

function isBusy(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TmemError);
    assert.equal(error.code, 'E_ARENA_BUSY');
    assert.match(error.message, message);
    return true;
  };
}
