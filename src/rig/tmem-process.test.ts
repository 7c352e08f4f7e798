import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TmemProcess } from './tmem-process.js';

const KILLS = 6;

test('a daemon that is killed and started again at once has not died by itself', async (t) => {
  const deaths: string[] = [];
  const daemon = new TmemProcess({ capacity: '16M', limitSeconds: 60, onDeath: (how) => deaths.push(how) });
  t.after(() => daemon.close());
  for (let kill = 0; kill < KILLS; kill++) {
    await daemon.start();
    await daemon.kill9();
  }
  await daemon.start();
  await daemon.status();
  assert.deepEqual(deaths, []);
});

test('one that ends otherwise has', async (t) => {
  let died: (how: string) => void = () => {};
  const death = new Promise<string>((resolve) => (died = resolve));
  const daemon = new TmemProcess({ capacity: '16M', limitSeconds: 60, onDeath: (how) => died(how) });
  t.after(() => daemon.close());
  await daemon.start();
  process.kill(daemon.pid!, 'SIGKILL');
  assert.match(await death, /^ended with SIGKILL; its log:/);
});
