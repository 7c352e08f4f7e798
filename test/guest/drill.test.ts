/**
 * What goes wrong with a daemon and its host, one thing after the other, under one guest that swaps all the time and
 * checks every page. Each thing ends with the guest at work again; how long it had to wait is printed.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FORMAT_VERSION } from '../../src/engine/segment-header.js';
import { numberIn } from '../../src/rig/report-line.js';
import { PREVIOUS_VERSION, segmentFilesOf, writeFormatVersion } from '../support/format-version.js';
import { NbdClient, NbdReplyError } from '../support/nbd-client.js';
import { figuresOf, guestNeeds, until, verdict } from '../support/swap-guest.js';
import { type Death, Drill } from './drill.js';

const FROZEN_MS = 200;
const DOWN_MS = 1000;
const WRITE_BYTES = 1024 * 1024;

/** Of the disk under the spill file, until somebody makes room: a little of what the guest has stored. */
const ROOM_PAGES = 1024;

/** In this order; each leaves the daemon as the next expects it. */
const TROUBLES: Readonly<Record<string, (drill: Drill) => Promise<void>>> = {
  killed,
  hung,
  stopped,
  full,
  frozen,
  'previous version': previousVersion,
  'disk full under spill': diskFull,
};

test(
  'a guest goes on, every page right, after its daemon was killed, hung, stopped, full, frozen, of another version, and its disk full',
  { skip: guestNeeds('mkfifo') },
  async (t) => {
    const drill = new Drill();
    await drill.begin(t);
    for (const [name, trouble] of Object.entries(TROUBLES))
      console.log(JSON.stringify({ drill: name, ...(await drill.through(trouble)) }));

    const end = await verdict(drill.guest);
    assert.equal(numberIn(end, 'bad'), 0, drill.guest.lastLines());
    await drill.guest.waitFor('GUEST', 'bye');
    assert.equal(drill.deaths.length, 1, drill.deaths.at(-1)?.how);
    console.log(JSON.stringify({ drill: 'end', ...figuresOf(end) }));
  },
);

/** `kill -9`, and a moment without a daemon. */
async function killed({ daemon }: Drill): Promise<void> {
  await daemon.kill9(FROZEN_MS);
  await sleep(DOWN_MS);
  await daemon.start();
}

/** One shard waits in a system call that never returns: the daemon ends itself, and its unit starts it again. */
async function hung({ daemon, deaths, stuckAt, guest }: Drill): Promise<void> {
  const before = performance.now();
  execFileSync('mkfifo', [stuckAt]);
  await until(guest, async () => deaths.length > 0);
  const [{ how, atMs }] = deaths as [Death];
  const seconds = (atMs - before) / 1000;
  assert.match(how, /^tmem: E_INTERNAL: the shard has not answered for 4 s: ending, so that the unit starts /m);
  console.log(JSON.stringify({ drill: 'hung', daemon_ended_after_s: Math.round(seconds * 10) / 10 }));
  await daemon.start();
}

/** The whole daemon stands still. It cannot end itself: the operator learns that it hangs, and does it. */
async function stopped(drill: Drill): Promise<void> {
  const { daemon } = drill;
  daemon.freeze();
  const { code, plain } = await drill.ask('status');
  assert.equal(code, 1);
  assert.match(plain[0]!, /^tmem: E_NO_DAEMON: /);
  await daemon.kill9();
  await daemon.start();
}

/** Another guest has taken all the room, and gives it back when its pages are flushed. */
async function full(drill: Drill): Promise<void> {
  const other = await NbdClient.connect(drill.otherSocket);
  await assert.rejects(fill(other), (error) => error instanceof NbdReplyError && /store is full/.test(error.message));
  await drill.isPaused();
  other.destroy();
  await drill.do('pool', 'flush', 'other', 'disk', '--force');
  await drill.resume();
}

async function fill(disk: NbdClient): Promise<void> {
  for (let at = 0; ; at += WRITE_BYTES) await disk.write(at, randomBytes(WRITE_BYTES));
}

/** New pages are refused until the guest is thawed. */
async function frozen(drill: Drill): Promise<void> {
  await drill.do('guest', 'freeze', 'vm');
  await drill.isPaused();
  await drill.do('guest', 'thaw', 'vm');
  await drill.resume();
}

/** The daemon refuses an arena of the version before its own and leaves it as it is, for the version that wrote it. */
async function previousVersion({ daemon }: Drill): Promise<void> {
  await daemon.kill9(FROZEN_MS);
  assert.ok(writeFormatVersion(daemon.arena, PREVIOUS_VERSION) > 0);
  const before = digest(daemon.arena);
  await assert.rejects(
    daemon.start(),
    new RegExp(
      `ended with 1; its log:[^]*\ntmem: E_ARENA_VERSION: segment \\d+ has format version ${PREVIOUS_VERSION}, this tmem ` +
        `reads version ${FORMAT_VERSION}: start the tmem that wrote the arena, or move the arena away`,
    ),
  );
  assert.equal(digest(daemon.arena), before, 'the arena is as it was');
  writeFormatVersion(daemon.arena, FORMAT_VERSION);
  await daemon.start();
}

/** Another guest takes all the room, and the disk that pages then leave for has too little: until there is more. */
async function diskFull(drill: Drill): Promise<void> {
  const { daemon, disk } = drill;
  disk.be({ roomPages: ROOM_PAGES });
  drill.addSpillFile();
  await daemon.kill9(FROZEN_MS);
  await daemon.start();
  await drill.goesOn();
  const other = await NbdClient.connect(drill.otherSocket);
  await assert.rejects(fill(other), (error) => error instanceof NbdReplyError && /store is full/.test(error.message));
  await drill.isPaused();
  assert.ok(disk.calls.refused > 0, 'the disk had no room');
  disk.be({});
  await drill.resume();
  // The other keeps all that it has: what the guest swaps out goes to the disk, and comes back from there.
  await drill.goesOn();
  const { exports } = await daemon.status();
  const { spilled_pages: spilled } = exports.find(({ name }) => name === 'vm/swap0')!;
  assert.ok(spilled! > ROOM_PAGES, `${spilled} pages are spilled`);
  other.destroy();
  await drill.do('pool', 'flush', 'other', 'disk', '--force');
}

function digest(arena: string): string {
  const hash = createHash('sha256');
  for (const file of segmentFilesOf(arena)) hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}
