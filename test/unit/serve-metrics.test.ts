/** `/metrics` of the real daemon, read by a parser that knows nothing of its writer. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { getControl } from '../../src/client/control/control-client.js';
import { NbdClient } from '../support/nbd-client.js';
import { patterned } from '../support/nbd-fixture.js';
import { type ReadFamily, readMetrics, type ReadSample } from '../support/prometheus-text.js';
import { main, serveReal, statusReal } from '../support/real-daemon.js';
import { makePlaces, type Places, TmemProcess } from '../support/tmem-process.js';

const PAGE = 4096;

let places: Places;
beforeEach(() => {
  places = makePlaces();
});
afterEach(() => places.remove());

test('metrics have the names of the contract, say what the status says, and leave out what is not built', async () => {
  await using daemon = serveReal(places, { capacity: '64MiB', exports: { 'vm1/a': '1MiB', 'vm2/b_c': '1MiB' } });
  await daemon.ready();
  const client = await NbdClient.connect(path.join(places.runDir, 'vm1-a.nbd'));
  for (let page = 0; page < 5; page++) await client.write(page * PAGE, patterned(PAGE, page));
  await client.read(0, PAGE);
  await client.read(9 * PAGE, PAGE);
  await client.trim(0, PAGE);
  const families = await scrape();
  const status = await statusReal(places);
  client.destroy();

  assert.deepEqual(
    families.map(({ name, type }) => `${name} ${type}`),
    [
      'tmem_arena_bytes gauge',
      'tmem_pages gauge',
      'tmem_stored_bytes gauge',
      'tmem_ops_total counter',
      'tmem_verify_failures_total counter',
      'tmem_nbd_request_seconds histogram',
      'tmem_ledger_bytes gauge',
    ],
  );
  const value = (name: string, labels: Record<string, string>): number | undefined => valueIn(families, name, labels);
  assert.equal(value('tmem_arena_bytes', { state: 'capacity' }), 64 * 2 ** 20);
  assert.equal(value('tmem_arena_bytes', { state: 'live' }), status.arena.live_bytes);
  assert.equal(value('tmem_pages', { guest: 'vm1', pool: 'a', kind: 'persistent' }), 4);
  assert.equal(value('tmem_pages', { guest: 'vm2', pool: 'b_c', kind: 'persistent' }), 0);
  assert.equal(value('tmem_stored_bytes', { guest: 'vm1', kind: 'persistent' }), status.guests[0]!.stored_bytes);
  const operations = (op: string, result: string): number | undefined =>
    value('tmem_ops_total', { guest: 'vm1', pool: 'a', op, result });
  assert.deepEqual(
    [operations('put', 'done'), operations('put', 'refused'), operations('get', 'hit'), operations('get', 'miss')],
    [5, 0, 1, 1],
  );
  assert.equal(value('tmem_verify_failures_total', {}), 0);
  const ledger = families.find(({ name }) => name === 'tmem_ledger_bytes')!.samples;
  assert.equal(
    ledger.reduce((sum, sample) => sum + sample.value, 0),
    status.ledger.budget_bytes,
  );
});

test('the times of requests are a histogram: bounds and counts rise, and the last bucket is the count', async () => {
  await using daemon = serveReal(places, { capacity: '64MiB', exports: { 'vm1/a': '1MiB' } });
  await daemon.ready();
  const client = await NbdClient.connect(path.join(places.runDir, 'vm1-a.nbd'));
  for (let page = 0; page < 7; page++) await client.write(page * PAGE, patterned(PAGE, page));
  await client.read(0, 8 * PAGE);
  await client.flush();
  const families = await scrape();
  client.destroy();
  const { samples } = families.find(({ name }) => name === 'tmem_nbd_request_seconds')!;
  const commands = [...new Set(samples.map(({ labels }) => labels.get('command')!))];
  assert.deepEqual(commands, ['read', 'write', 'flush']);
  for (const [command, count] of [
    ['read', 1],
    ['write', 7],
    ['flush', 1],
  ] as const) {
    const labels = { export: 'vm1/a', command };
    const buckets = samples.filter(
      (sample) => sample.name.endsWith('_bucket') && sample.labels.get('command') === command,
    );
    const bounds = buckets.map((sample) => boundOf(sample));
    assert.deepEqual(
      bounds,
      bounds.toSorted((a, b) => a - b),
    );
    assert.equal(bounds.at(-1), Infinity);
    const counts = buckets.map((sample) => sample.value);
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    );
    assert.equal(counts.at(-1), count);
    assert.equal(valueIn(families, 'tmem_nbd_request_seconds', labels, '_count'), count);
    const sum = valueIn(families, 'tmem_nbd_request_seconds', labels, '_sum')!;
    assert.ok(sum > 0 && sum < 60, `${sum} s`);
  }
});

test('metrics are there over TCP too, as the version of the format that they are', async () => {
  await using daemon = new TmemProcess(['serve', ...places.args], { main });
  const { http } = await daemon.ready();
  const answer = await fetch(new URL('/metrics', http!));
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(
    valueIn(readMetrics(await answer.text()), 'tmem_pages', { guest: 'guest0', pool: 'swap0', kind: 'persistent' }),
    0,
  );
  assert.equal((await daemon.stop()).code, 0);
});

async function scrape(): Promise<ReadFamily[]> {
  return readMetrics(await getControl(places.runDir, '/metrics'));
}

/** Of the one series with these labels and no other. */
function valueIn(
  families: readonly ReadFamily[],
  name: string,
  labels: Record<string, string>,
  suffix = '',
): number | undefined {
  const family = families.find((each) => each.name === name);
  return family?.samples.find(
    (sample) =>
      sample.name === name + suffix &&
      sample.labels.size === Object.keys(labels).length &&
      Object.entries(labels).every(([label, wanted]) => sample.labels.get(label) === wanted),
  )?.value;
}

function boundOf({ labels }: ReadSample): number {
  const le = labels.get('le')!;
  return le === '+Inf' ? Infinity : Number(le);
}
