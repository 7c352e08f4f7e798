import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { TmemError } from '../base/errors.js';
import { freeSocketPath, handOverSocket } from './unix-socket.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-socket-'));
after(() => rmSync(folder, { recursive: true }));

test('where nothing is, nothing happens', () => freeSocketPath(path.join(folder, 'nothing.sock')));

test('the socket of a process that was killed is removed', async () => {
  const socket = path.join(folder, 'stale.sock');
  const listenAndDie = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 9))`;
  spawnSync(process.execPath, ['-e', listenAndDie], { timeout: 10_000 });
  assert.ok(existsSync(socket));
  await freeSocketPath(socket);
  assert.ok(!existsSync(socket));
});

test('the socket of a process that accepts is not', async () => {
  const socket = path.join(folder, 'live.sock');
  const server = createServer((connection) => connection.destroy());
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await assert.rejects(freeSocketPath(socket), isBusy(/served by another process/));
  assert.ok(existsSync(socket));
  await new Promise((resolve) => server.close(resolve));
});

test('a file that is no socket is not removed', async () => {
  const file = path.join(folder, 'file.sock');
  writeFileSync(file, 'precious');
  await assert.rejects(freeSocketPath(file), isBusy(/is not a socket/));
  assert.ok(existsSync(file));
});

test("a socket is its owner's and nobody else's", async () => {
  const socket = path.join(folder, 'owned.sock');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const isRoot = process.getuid!() === 0;
  handOverSocket(socket, isRoot ? 12_345 : process.getuid!());
  const { mode, uid } = statSync(socket);
  assert.deepEqual([mode & 0o777, uid], isRoot ? [0o660, 12_345] : [0o600, process.getuid!()]);
  await new Promise((resolve) => server.close(resolve));
});

function isBusy(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TmemError);
    assert.equal(error.code, 'E_SOCKET_BUSY');
    assert.match(error.message, message);
    return true;
  };
}
