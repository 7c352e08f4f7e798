/** Bodies as peers send them, over real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { hostOf } from '../../../test/support/control-host.js';
import { changeControl, getControl } from '../../client/control/control-client.js';
import { startControlServer } from './control-server.js';
import { BODY_BYTES_MAX } from './request-body.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-body-'));
const place = { path: path.join(folder, 'control.sock') };
const set: unknown[] = [];
const host = hostOf({
  setGuest: (guest, settings) => {
    set.push([guest, settings]);
    return Promise.resolve();
  },
});
const server = await startControlServer(place, { host: () => host, tokenDigest: () => null });
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const SET = 'POST /api/v1/guests/vm1 HTTP/1.1\r\nHost: localhost\r\n';

test('a body comes through the client of commands, whatever is in its strings', async () => {
  set.length = 0;
  await changeControl(folder, 'POST', '/api/v1/guests/vm1', { weight: 3 });
  assert.deepEqual(set, [['vm1', { weight: 3 }]]);
  await assert.rejects(changeControl(folder, 'POST', '/api/v1/guests/vm1', { 'ü\n\u001B': 1 }), {
    code: 'E_USAGE',
    message: /unknown field "\\u00fc\\u000a\\u001b"/,
  });
});

test('a body in pieces is one body, and the connection is good for another request', async () => {
  set.length = 0;
  const socket = await open();
  socket.write(`${SET}Content-Length: 12\r\n\r\n{"wei`);
  await new Promise((resolve) => setImmediate(resolve));
  socket.write('ght":5}');
  assert.match(await answer(socket), /^HTTP\/1.1 200 /);
  socket.write(`${SET}Content-Length: 12\r\n\r\n{"weight":6}`);
  assert.match(await answer(socket), /^HTTP\/1.1 200 /);
  assert.deepEqual(set, [
    ['vm1', { weight: 5 }],
    ['vm1', { weight: 6 }],
  ]);
  socket.destroy();
});

test('a body longer than any is refused when that is known, and the connection ends', async () => {
  set.length = 0;
  const socket = await open();
  socket.write(`${SET}Transfer-Encoding: chunked\r\n\r\n`);
  const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`;
  for (let sent = 0; sent <= BODY_BYTES_MAX; sent += 4096) socket.write(chunk);
  const said = await answer(socket);
  assert.match(said, /^HTTP\/1.1 400 /);
  assert.match(said, /connection: close/i);
  assert.match(said, /E_USAGE.*the body is longer than 16384 bytes/);
  await closed(socket);
  assert.deepEqual(set, []);
});

test('a client that leaves in the middle of its body has changed nothing, and others are served meanwhile', async () => {
  set.length = 0;
  const socket = await open();
  socket.write(`${SET}Content-Length: 12\r\n\r\n{"weight":`);
  assert.match(await getControl(folder, '/api/v1/status'), /^\{"v":1,/);
  socket.destroy();
  await closed(socket);
  await changeControl(folder, 'POST', '/api/v1/guests/vm2', { weight: 1 });
  assert.deepEqual(set, [['vm2', { weight: 1 }]]);
});

test('two lengths are no request at all', async () => {
  set.length = 0;
  const socket = await open();
  socket.write(`${SET}Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n{"weight":5}`);
  assert.match(await answer(socket), /^HTTP\/1.1 400 /);
  assert.deepEqual(set, []);
});

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(place, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** All that comes until the answer is there. */
function answer(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const listen = (part: Buffer): void => {
      text += part.toString();
      const [head = '', body] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (body === undefined || body.length < length) return;
      socket.off('data', listen);
      resolve(text);
    };
    socket.on('data', listen);
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.once('close', () => resolve());
    socket.resume();
  });
}
