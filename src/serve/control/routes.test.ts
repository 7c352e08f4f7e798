import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusDocument } from '../../base/status.js';
import type { HostView } from '../../host/host-view.js';
import { isTrustedHost } from './host-header.js';
import { answerControl, type ControlAnswer } from './routes.js';

test('the status is the document, as JSON', async () => {
  const answer = await get('/api/v1/status');
  assert.equal(answer.status, 200);
  assert.match(answer.contentType, /^application\/json/);
  assert.deepEqual(JSON.parse(answer.body), status);
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

for (const url of ['/metrics', '/api/v1/nothing', '/constructor']) {
  test(`${url} is not found, and the answer says what there is`, async () => {
    const answer = await get(url);
    assert.equal(answer.status, 404);
    assert.equal(errorOf(answer).code, 'E_NOT_FOUND');
    assert.match(errorOf(answer).hint, /\/api\/v1\/status/);
  });
}

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
  test(`${method} is not allowed, whatever the path`, async () => {
    const answer = await answerControl({ method, url: '/api/v1/status' }, view);
    assert.deepEqual([answer.status, errorOf(answer).code], [405, 'E_DENIED']);
    assert.equal(answer.headers!['allow'], 'GET, HEAD');
  });
}

test('a URL without a path is a bad request', async () => assert.equal((await get('//')).status, 400));

test('before the daemon is ready everything says so', async () => {
  for (const url of ['/', '/healthz', '/api/v1/status']) {
    const answer = await answerControl({ method: 'GET', url }, undefined);
    assert.deepEqual([answer.status, errorOf(answer).code], [503, 'E_NOT_READY']);
  }
});

test('a store that fails is an error with a code, not a broken connection', async () => {
  const broken: HostView = { ...view, status: () => Promise.reject(new Error('gone')) };
  const answer = await answerControl({ method: 'GET', url: '/healthz' }, broken);
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

const status: StatusDocument = {
  v: 1,
  pid: 1,
  version: '0.1.0',
  uptime_s: 1.5,
  rss_bytes: 1,
  arena: { path: '/a', fs: 'tmpfs', capacity_bytes: 4, occupied_bytes: 3, live_bytes: 2, metadata_bytes: 1 },
  ledger: {
    budget_bytes: 5,
    committed: { guests: 0, persistent: 2, ephemeral: 0, metadata: 1, reserve: 0, free: 2 },
    measured: { resident: null, reported_free: null, image_cache: null, host_swap: null, unexplained: null },
    spill_bytes: null,
  },
  policy: { name: null, interval_s: null, dry_run: null },
  guests: [],
  exports: [
    {
      name: 'guest0/swap0',
      mode: 'swap',
      socket: '/s',
      uri: 'nbd+unix:///guest0/swap0?socket=/s',
      size_bytes: 4096,
      connections: 0,
      stored_pages: 0,
      same_filled_pages: 0,
      stored_bytes: 0,
      spilled_pages: null,
      reads: 0,
      writes: 0,
      trims: 0,
      flushes: 0,
      errors: 0,
    },
  ],
  pools: [],
  warnings: [{ code: 'odd', text: '<script>' }],
};

const view: HostView = { status: () => Promise.resolve(status), decisions: () => ({ v: 1, decisions: [] }) };

function get(url: string): Promise<ControlAnswer> {
  return answerControl({ method: 'GET', url }, view);
}

function errorOf(answer: ControlAnswer): { code: string; message: string; hint: string } {
  return (JSON.parse(answer.body) as { error: { code: string; message: string; hint: string } }).error;
}
