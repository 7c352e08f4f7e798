import assert from 'node:assert/strict';
import fs, { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { PAGE_BYTES } from '../base/units.js';
import { CallGate } from './call-gate.js';
import { type FileCalls, RealSpillFile } from './real-spill-file.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-spill-'));
after(() => rmSync(folder, { recursive: true }));

test('a short count is followed by the rest', async () => {
  const { file, name } = makeFile('short', shortCounts(1000));
  const bytes = Uint8Array.from({ length: 3 * PAGE_BYTES }, (_, at) => at % 251);
  await ending((done) => file.write(1, bytes, done));
  assert.ok(readFileSync(name).subarray(PAGE_BYTES).equals(bytes));
  const into = new Uint8Array(bytes.length);
  await ending((done) => file.read(1, into, done));
  assert.deepEqual(into, bytes);
  await assert.rejects(
    ending((done) => file.read(2, into, done)),
    { code: 'EIO' },
  );
});

test('a write that makes no headway is an error, not a loop', async () => {
  const { file } = makeFile('stuck', shortCounts(0));
  await assert.rejects(
    ending((done) => file.write(0, new Uint8Array(PAGE_BYTES), done)),
    { code: 'EIO', message: 'nothing more is written at byte 0' },
  );
});

test('errors of the disk are those who asked told of', async () => {
  const error = Object.assign(new Error('no room'), { code: 'ENOSPC' });
  const fail = (done: (failure: Error, count: number) => void): void => void setImmediate(() => done(error, 0));
  const { file } = makeFile('failing', {
    ...fs,
    read: (...args) => fail(args[5]),
    write: (...args) => fail(args[5]),
    fdatasync: (_, done) => fail(done),
    ftruncate: (_, _length, done) => fail(done),
  });
  const page = new Uint8Array(PAGE_BYTES);
  for (const call of [
    (done: Done) => file.write(0, page, done),
    (done: Done) => file.read(0, page, done),
    (done: Done) => file.sync(done),
    (done: Done) => file.empty(done),
  ])
    await assert.rejects(ending(call), error);
});

test('the descriptor is closed after the last call that is under way, those that wait are not begun', async () => {
  const held: (() => void)[] = [];
  let isClosed = false;
  const calls: FileCalls = {
    ...fs,
    write: (...args) => void held.push(() => fs.write(...args)),
    close: (...args) => {
      isClosed = true;
      fs.close(...args);
    },
  };
  const { file, name } = makeFile('closing', calls);
  let told = 0;
  for (let slot = 0; slot < 9; slot++) file.write(slot, new Uint8Array(PAGE_BYTES).fill(slot + 1), () => told++);
  const closed = ending((done) => file.close(() => done(undefined)));
  assert.deepEqual([held.length, isClosed], [3, false]);
  held[1]!();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isClosed, false);
  held[0]!();
  held[2]!();
  await closed;
  assert.deepEqual([held.length, isClosed, told], [3, true, 0]);
  assert.equal(readFileSync(name).length, 3 * PAGE_BYTES);
});

test('a file without a call under way is closed at once, and says so to everybody who asked', async () => {
  const { file, closings } = makeFile('idle', fs);
  file.close();
  await ending((done) => file.close(() => done(undefined)));
  assert.equal(closings.length, 1);
});

type Done = (error: Error | undefined) => void;

function makeFile(name: string, calls: FileCalls): { file: RealSpillFile; name: string; closings: string[] } {
  const full = path.join(folder, name);
  const closings: string[] = [];
  const file = new RealSpillFile({
    descriptor: openSync(full, 'w+'),
    pages: 0,
    gate: new CallGate(3),
    onClosed: () => closings.push(name),
    calls,
  });
  return { file, name: full, closings };
}

/** As the system is allowed to: no call moves more than `most` bytes. */
function shortCounts(most: number): FileCalls {
  return {
    ...fs,
    read: (fd, into, from, length, at, done) => fs.read(fd, into, from, Math.min(length, most), at, done),
    write: (fd, bytes, from, length, at, done) => {
      if (most === 0) setImmediate(() => done(null, 0));
      else fs.write(fd, bytes, from, Math.min(length, most), at, done);
    },
  };
}

function ending(call: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error === undefined ? resolve() : reject(error)));
  });
}
