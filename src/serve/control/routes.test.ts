import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyStatus, errorOf, hostOf } from '../../../test/support/control-host.js';
import { isTrustedHost } from './host-header.js';
import { answerControl, type ControlAnswer, type ControlRequest } from './routes.js';

test('the status is the document, as JSON', async () => {
  const answer = await get('/api/v1/status');
  assert.equal(answer.status, 200);
  assert.match(answer.contentType, /^application\/json/);
  assert.deepEqual(JSON.parse(answer.body), emptyStatus);
});

test('decisions are a document too, empty until there is a policy', async () => {
  assert.deepEqual(JSON.parse((await get('/api/v1/decisions?guest=vm1&after=3')).body), { v: 1, decisions: [] });
  assert.equal((await get('/api/v1/decisions?after=x')).status, 400);
});

test('the page shows the status, and no name becomes markup', async () => {
  const answer = await get('/');
  assert.match(answer.contentType, /^text\/html/);
  assert.match(answer.body, /guest0\/swap0/);
  assert.match(answer.body, /&lt;script&gt;/);
  assert.doesNotMatch(answer.body, /<script>/);
  assert.match(answer.headers!['content-security-policy']!, /default-src 'none'/);
});

test('health is one word', async () => assert.equal((await get('/healthz')).body, 'ok\n'));

for (const url of ['/api/v1/nothing', '/api/v1/guests', '/api/v1/guests/a/b', '/constructor']) {
  test(`${url} is not found, and the answer says what there is`, async () => {
    const answer = await get(url);
    assert.equal(answer.status, 404);
    assert.equal(errorOf(answer).code, 'E_NOT_FOUND');
    assert.match(errorOf(answer).hint, /\/api\/v1\/status/);
  });
}

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
  test(`${method} is not allowed where there is only something to read`, async () => {
    const answer = await answerControl(requestOf('/api/v1/status', method), host);
    assert.deepEqual([answer.status, errorOf(answer).code], [405, 'E_DENIED']);
    assert.equal(answer.headers!['allow'], 'GET, HEAD');
  });
}

test('a URL without a path is a bad request', async () => assert.equal((await get('//')).status, 400));

test('before the daemon is ready everything says so', async () => {
  for (const url of ['/', '/healthz', '/api/v1/status']) {
    const answer = await answerControl(requestOf(url), undefined);
    assert.deepEqual([answer.status, errorOf(answer).code], [503, 'E_NOT_READY']);
  }
});

test('a store that fails is an error with a code, not a broken connection', async () => {
  const broken = { ...host, view: { ...host.view, status: () => Promise.reject(new Error('gone')) } };
  const answer = await answerControl(requestOf('/healthz'), broken);
  assert.deepEqual(
    [answer.status, errorOf(answer)],
    [500, { code: 'E_INTERNAL', message: 'gone', hint: "see the daemon's log" }],
  );
});

for (const [header, trusted] of [
  [undefined, true],
  ['127.0.0.1:7070', true],
  ['192.0.2.7', true],
  ['[::1]:7070', true],
  ['localhost:7070', true],
  ['LOCALHOST', true],
  ['host.example:7070', true],
  ['evil.example:7070', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['', false],
  ['a b', false],
] as const) {
  test(`a request for Host ${String(header)} is ${trusted ? '' : 'not '}answered by a server on host.example`, () =>
    assert.equal(isTrustedHost(header, 'host.example'), trusted));
}

const host = hostOf({});

function get(url: string): Promise<ControlAnswer> {
  return answerControl(requestOf(url), host);
}

function requestOf(url: string, method = 'GET'): ControlRequest {
  return { method, url, mayChange: true, readBody: () => Promise.resolve('') };
}
