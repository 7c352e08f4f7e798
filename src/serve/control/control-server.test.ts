import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { TmemError } from '../../base/errors.js';
import { getControl } from '../../client/control/control-client.js';
import { type Doors, startControlServer } from './control-server.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-http-'));
after(() => rmSync(folder, { recursive: true }));
const recovering: Doors = { host: () => undefined, tokenDigest: () => null };
const tcp = await startControlServer({ host: '127.0.0.1', port: 0 }, recovering);
const unix = await startControlServer({ path: path.join(folder, 'control.sock') }, recovering);
after(() => Promise.all([tcp.close(), unix.close()]));

test('answers carry their length and are not cached or guessed at', async () => {
  const { headers, body } = await ask({});
  assert.equal(headers['content-length'], String(body.length));
  assert.deepEqual([headers['cache-control'], headers['x-content-type-options']], ['no-store', 'nosniff']);
});

test('HEAD is answered without a body', async () => {
  const { status, body, headers } = await ask({ method: 'HEAD' });
  assert.deepEqual([status, body], [503, '']);
  assert.notEqual(headers['content-length'], '0');
});

test('over TCP a Host that may be somebody else’s name is refused', async () => {
  const { status, body } = await ask({ headers: { host: 'evil.example' } });
  assert.equal(status, 421);
  assert.match(body, /E_DENIED/);
});

test('a request with a body gets its answer and the end of the connection', async () => {
  const { status, headers } = await ask({ method: 'POST', headers: { 'content-length': 3 } }, 'abc');
  assert.deepEqual([status, headers.connection], [405, 'close']);
});

test('headers without end are refused', async () => {
  const answer = await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1.1 431 /);
});

test('what is no HTTP is refused', async () => assert.match(await raw('NBDMAGIC\r\n\r\n'), /^HTTP\/1.1 400 /));

test('a port in use is E_HTTP_BUSY and says what to set', async () => {
  await assert.rejects(startControlServer({ host: '127.0.0.1', port: tcp.port! }, recovering), (error) => {
    assert.ok(error instanceof TmemError);
    assert.equal(error.code, 'E_HTTP_BUSY');
    assert.match(
      error.message,
      /^cannot listen on 127.0.0.1:\d+ \(EADDRINUSE\): set http to a free HOST:PORT, or "off"$/,
    );
    return true;
  });
});

test('the client of commands hands on what the daemon says', async () => {
  await assert.rejects(getControl(folder, '/api/v1/status'), (error) => {
    assert.ok(error instanceof TmemError);
    assert.equal(error.code, 'E_NOT_READY');
    assert.match(error.message, /still recovering its arena: try again/);
    return true;
  });
});

test('where no daemon is, the client says so and what to do', async () => {
  await assert.rejects(getControl('/nowhere', '/api/v1/status'), (error) => {
    assert.ok(error instanceof TmemError);
    assert.equal(error.code, 'E_NO_DAEMON');
    assert.match(error.message, /^no daemon at \/nowhere\/control.sock \(ENOENT\): start one/);
    return true;
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(options: RequestOptions, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: tcp.port, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const connection = connect(tcp.port!, '127.0.0.1', () => connection.write(bytes));
    connection.setTimeout(5000, () => connection.destroy(new Error('no answer')));
    connection.setEncoding('utf8').on('data', (part: string) => (text += part));
    connection.on('close', () => resolve(text));
    connection.on('error', (error) => (text === '' ? reject(error) : resolve(text)));
  });
}
