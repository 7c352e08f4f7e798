/** What requests that change something make of their path, their query and their body. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, hostOf } from '../../../test/support/control-host.js';
import { type ErrorCode, TmemError } from '../../base/errors.js';
import type { HostControl } from '../../host/host-control.js';
import { answerControl, type ControlAnswer, failure } from './routes.js';

const told: unknown[][] = [];
const note =
  (verb: string, answer: unknown) =>
  (...args: unknown[]): Promise<never> => {
    told.push([verb, ...args]);
    return Promise.resolve(answer as never);
  };
const removed = { exports: ['vm1/a'], inConfig: true, pools: 1, pages: 2 };
const host = hostOf({
  setGuest: note('setGuest', undefined),
  freeze: note('freeze', undefined),
  removeGuest: note('removeGuest', removed),
  addExport: note('addExport', undefined),
  removeExport: note('removeExport', removed),
  flushPool: note('flushPool', removed),
  destroyPool: note('destroyPool', removed),
});

for (const [method, url, body, expected] of [
  ['POST', '/api/v1/guests/vm1', { cap_bytes: 4096 }, ['setGuest', 'vm1', { capBytes: 4096 }]],
  [
    'POST',
    '/api/v1/guests/vm1',
    { cap_bytes: null, weight: 5, reservation_bytes: 0 },
    ['setGuest', 'vm1', { capBytes: null, weight: 5, reservationBytes: 0 }],
  ],
  ['POST', '/api/v1/guests/vm1/freeze', undefined, ['freeze', 'vm1', true]],
  ['POST', '/api/v1/guests/freeze/thaw', {}, ['freeze', 'freeze', false]],
  ['POST', '/api/v1/freeze', undefined, ['freeze', null, true]],
  ['POST', '/api/v1/thaw', undefined, ['freeze', null, false]],
  ['DELETE', '/api/v1/guests/vm1', undefined, ['removeGuest', 'vm1', false]],
  ['DELETE', '/api/v1/guests/vm1?force=true', undefined, ['removeGuest', 'vm1', true]],
  ['POST', '/api/v1/exports/vm1/a', { size_bytes: 4096 }, ['addExport', 'vm1', 'a', 4096, null]],
  [
    'POST',
    '/api/v1/exports/vm1/a',
    { size_bytes: 4096, spill: '/var/lib/a' },
    ['addExport', 'vm1', 'a', 4096, '/var/lib/a'],
  ],
  ['POST', '/api/v1/exports/vm1/a', { size_bytes: 4096, spill: null }, ['addExport', 'vm1', 'a', 4096, null]],
  ['DELETE', '/api/v1/exports/vm1/a?force=false', undefined, ['removeExport', 'vm1', 'a', false]],
  ['POST', '/api/v1/pools/vm1/a%20b/flush?force=true', undefined, ['flushPool', 'vm1', 'a b', true]],
  ['DELETE', '/api/v1/pools/vm1/a', undefined, ['destroyPool', 'vm1', 'a']],
  ['POST', '/api/v1/exports/../%2e%2E', { size_bytes: 1 }, ['addExport', '..', '..', 1, null]],
] as const) {
  test(`${method} ${url} is ${expected[0]}`, async () => {
    told.length = 0;
    const answer = await ask(method, url, body === undefined ? '' : JSON.stringify(body));
    assert.deepEqual([answer.status, told], [200, [expected]], answer.body);
    assert.equal((JSON.parse(answer.body) as { v: number }).v, 1);
  });
}

for (const [what, method, url, body, message] of [
  ['no JSON', 'POST', '/api/v1/guests/vm1', 'cap=1', /not JSON/],
  ['a list', 'POST', '/api/v1/guests/vm1', '[1]', /not a JSON object/],
  ['nothing to set', 'POST', '/api/v1/guests/vm1', '{}', /nothing to set/],
  ['an unknown field', 'POST', '/api/v1/guests/vm1', '{"cap":1}', /unknown field "cap": .* "cap_bytes"/],
  ['a field that is every object’s', 'POST', '/api/v1/guests/vm1', '{"__proto__":1}', /unknown field "__proto__"/],
  ['a cap in words', 'POST', '/api/v1/guests/vm1', '{"cap_bytes":"2G"}', /cap_bytes is not a whole number/],
  ['a negative cap', 'POST', '/api/v1/guests/vm1', '{"cap_bytes":-1}', /cap_bytes is not a whole number/],
  ['half a byte', 'POST', '/api/v1/guests/vm1', '{"reservation_bytes":0.5}', /reservation_bytes is not a whole/],
  ['a weight of 0', 'POST', '/api/v1/guests/vm1', '{"weight":0}', /weight is not a whole number of 1 or more/],
  ['no weight', 'POST', '/api/v1/guests/vm1', '{"weight":null}', /weight is not a whole number/],
  ['no size', 'POST', '/api/v1/exports/vm1/a', '', /size_bytes is missing/],
  ['a spill of 5', 'POST', '/api/v1/exports/vm1/a', '{"size_bytes":4096,"spill":5}', /spill is not a path, or null/],
  [
    'a body where there is none',
    'DELETE',
    '/api/v1/guests/vm1',
    '{"force":true}',
    /unknown field "force": it takes none/,
  ],
  ['an unknown query', 'POST', '/api/v1/guests/vm1/freeze?force=true', '', /the query says what/],
  ['a force that is no yes', 'DELETE', '/api/v1/guests/vm1?force=1', '', /use \?force=true/],
  ['half a percent', 'DELETE', '/api/v1/guests/vm%1', '', /not UTF-8, percent-encoded/],
] as const) {
  test(`${what} is E_USAGE, and nothing is done`, async () => {
    told.length = 0;
    const answer = await ask(method, url, body);
    assert.deepEqual([answer.status, errorOf(answer).code, told], [400, 'E_USAGE', []]);
    assert.match(errorOf(answer).message, message);
  });
}

test('a path that changes something allows its methods and says which', async () => {
  for (const [url, method, allow] of [
    ['/api/v1/guests/vm1', 'GET', 'POST, DELETE'],
    ['/api/v1/guests/vm1/freeze', 'DELETE', 'POST'],
    ['/api/v1/pools/vm1/a', 'POST', 'DELETE'],
  ] as const) {
    const answer = await ask(method, url);
    assert.deepEqual([answer.status, errorOf(answer).code, answer.headers?.['allow']], [405, 'E_DENIED', allow]);
  }
});

test('who may not change anything is told why, and his body is not read', async () => {
  const mayChange = failure(403, 'E_DENIED', 'not here', '');
  const readBody = (): Promise<string> => Promise.reject(new Error('it was read'));
  for (const [method, url] of [
    ['POST', '/api/v1/freeze'],
    ['DELETE', '/api/v1/guests/vm1?force=true'],
  ] as const) {
    told.length = 0;
    const answer = await answerControl({ method, url, mayChange, readBody }, host);
    assert.deepEqual([answer, told], [mayChange, []]);
  }
});

test('before the daemon is ready nothing is changed', async () => {
  const answer = await answerControl(requestOf('POST', '/api/v1/freeze', ''), undefined);
  assert.deepEqual([answer.status, errorOf(answer).code], [503, 'E_NOT_READY']);
});

for (const [code, status] of [
  ['E_NOT_FOUND', 404],
  ['E_IN_USE', 409],
  ['E_DENIED', 403],
  ['E_SOCKET_PATH', 400],
  ['E_SOCKET_BUSY', 409],
  ['E_SPILL', 409],
  ['E_ARENA_FULL', 507],
  ['E_INTERNAL', 500],
] satisfies [ErrorCode, number][]) {
  test(`${code} is ${status}`, async () => {
    const control: Partial<HostControl> = { freeze: () => Promise.reject(new TmemError(code, 'as it was asked')) };
    const answer = await answerControl(requestOf('POST', '/api/v1/freeze', ''), hostOf(control));
    assert.deepEqual([answer.status, errorOf(answer).code, errorOf(answer).message], [status, code, 'as it was asked']);
  });
}

function ask(method: string, url: string, body = ''): Promise<ControlAnswer> {
  return answerControl(requestOf(method, url, body), host);
}

function requestOf(method: string, url: string, body: string): Parameters<typeof answerControl>[0] {
  return { method, url, mayChange: true, readBody: () => Promise.resolve(body) };
}
