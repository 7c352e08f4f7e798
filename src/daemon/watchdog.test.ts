import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KILL_MS } from './run-daemon.js';
import { SILENT_MS_MAX, watchShard } from './watchdog.js';

const BEAT_MS = 5;

test('a shard that answers is left alone', async () => {
  let pings = 0;
  let silent = false;
  const end = watchShard({ ping: () => Promise.resolve(void pings++) }, () => (silent = true), BEAT_MS);
  await waitUntil(() => pings >= 20);
  end();
  assert.equal(silent, false);
});

test('a shard that is silent for eight beats is reported once, and asked once', async () => {
  let pings = 0;
  let reports = 0;
  watchShard({ ping: () => new Promise(() => pings++) }, () => reports++, BEAT_MS);
  await waitUntil(() => reports > 0);
  await new Promise((resolve) => setTimeout(resolve, 10 * BEAT_MS));
  assert.deepEqual([pings, reports], [1, 1]);
});

test('a shard that answers late, but in time, is left alone', async () => {
  let answered = 0;
  let silent = false;
  const late = (): Promise<void> =>
    new Promise((resolve) =>
      setTimeout(() => {
        answered++;
        resolve();
      }, 2 * BEAT_MS),
    );
  const end = watchShard({ ping: late }, () => (silent = true), BEAT_MS);
  await waitUntil(() => answered >= 5);
  end();
  assert.equal(silent, false);
});

test('a shard that hangs is reported in time for the daemon to end within 5 s', () => {
  assert.ok(SILENT_MS_MAX + KILL_MS <= 5000, `${SILENT_MS_MAX} ms`);
});

async function waitUntil(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  // The watch keeps no process alive; this does.
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'it took too long');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
