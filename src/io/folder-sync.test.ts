/** What reaches the kernel: the calls of `node:fs` are counted on their way. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { systemCode } from '../base/errors.js';
import { segmentSlot } from '../base/ids.js';
import { RealSegmentFiles } from './real-segment-files.js';

const BYTES = 4096;
const [ONE, TWO] = [segmentSlot(1), segmentSlot(2)];

let folder: string;
let files: RealSegmentFiles;
/** Names of the files and folders that were synced, in order. */
let synced: string[];
/** What the next `fdatasync` answers. */
let failure: Error | null;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'tmem-sync-'));
  synced = [];
  failure = null;
  const nameOf = (descriptor: number): string => path.basename(fs.readlinkSync(`/proc/self/fd/${descriptor}`));
  const { fdatasync, fsync, fdatasyncSync, fsyncSync } = fs;
  const later = (call: typeof fdatasync) => (descriptor: number, done: (error: Error | null) => void) => {
    synced.push(nameOf(descriptor));
    call(descriptor, (error) => done(failure ?? error));
  };
  const atOnce = (call: typeof fdatasyncSync) => (descriptor: number) => {
    synced.push(nameOf(descriptor));
    call(descriptor);
  };
  mock.method(fs, 'fdatasync', later(fdatasync));
  mock.method(fs, 'fsync', later(fsync));
  mock.method(fs, 'fdatasyncSync', atOnce(fdatasyncSync));
  mock.method(fs, 'fsyncSync', atOnce(fsyncSync));
  files = new RealSegmentFiles(path.join(folder, 'arena', 'shard'), { onDisk: true });
});

afterEach(() => {
  files.close();
  mock.restoreAll();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('a sync reaches the files that were written, and their folder where names have changed, and no others', async () => {
  files.create(ONE, BYTES);
  files.create(TWO, BYTES);
  await sync();
  assert.deepEqual(synced.splice(0).toSorted(), ['segment-00001', 'segment-00002', 'shard']);
  files.write(TWO, 0, new Uint8Array(10), 0, 10);
  await sync();
  assert.deepEqual(synced.splice(0), ['segment-00002']);
  await sync();
  assert.deepEqual(synced, []);
});

test('the folder is synced behind the files in it', async () => {
  files.create(ONE, BYTES);
  await sync();
  assert.equal(synced.at(-1), 'shard');
});

test('the first sync that is waited for covers every file that was found, and the folders above', () => {
  files.create(ONE, BYTES);
  files.close();
  files = new RealSegmentFiles(path.join(folder, 'arena', 'shard'), { onDisk: true });
  files.syncing!.now();
  assert.deepEqual(synced, ['segment-00001', 'shard', 'arena', path.basename(folder)]);
  synced.length = 0;
  files.syncing!.now();
  assert.deepEqual(synced, ['shard']);
});

test('a sync that fails says so, once', async () => {
  files.create(ONE, BYTES);
  failure = Object.assign(new Error('a write was lost'), { code: 'EIO' });
  assert.equal(systemCode(await sync()), 'EIO');
  failure = null;
  files.write(ONE, 0, new Uint8Array(10), 0, 10);
  assert.equal(await sync(), undefined);
});

test('a file that is removed, or all that are closed, while a sync is under way stay open until it has ended', async () => {
  files.create(ONE, BYTES);
  files.create(TWO, BYTES);
  const done = sync();
  const removed = new Promise<void>((resolve) => files.remove(ONE, resolve));
  files.close();
  assert.equal(await done, undefined);
  await removed;
  assert.deepEqual(fs.readdirSync(path.join(folder, 'arena', 'shard')), ['segment-00002']);
});

test('files on tmpfs have no sync', () => {
  const plain = new RealSegmentFiles(path.join(folder, 'plain'));
  plain.create(ONE, BYTES);
  assert.equal(plain.syncing, undefined);
  plain.close();
  assert.deepEqual(synced, []);
});

function sync(): Promise<unknown> {
  return new Promise((resolve) => files.syncing!.begin(resolve));
}
