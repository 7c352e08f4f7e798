import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FrequencyHistory } from './frequency-history.js';
import { PlainHistory } from './reference/plain-history.js';

const anyStep = fc.oneof(
  { weight: 9, arbitrary: fc.record({ what: fc.constant('record' as const), key: fc.nat(400) }) },
  fc.record({ what: fc.constant('reach' as const), pages: fc.nat(60) }),
);

test('a history counts as lists of sixteen do, while it grows and halves', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 900 }), fc.integer({ min: 1, max: 30 }), (steps, sample) => {
      const history = new FrequencyHistory(sample);
      const plain = new PlainHistory(sample);
      for (const step of steps) {
        if (step.what === 'reach') for (const each of [history, plain]) each.reach(step.pages);
        else {
          for (const each of [history, plain]) each.record(step.key);
          assert.equal(history.estimate(step.key), plain.estimate(step.key));
        }
      }
      for (let key = 0; key <= 400; key++) assert.equal(history.estimate(key), plain.estimate(key));
    }),
    { numRuns: 60 },
  );
});

test('counts end at fifteen, halve once in a sample, and come to nothing', () => {
  const history = new FrequencyHistory(100);
  history.reach(64);
  for (let get = 0; get < 40; get++) history.record(1);
  assert.equal(history.estimate(1), 15);
  assert.equal(history.estimate(2), 0);
  const seen: number[] = [];
  for (let get = 0; get < 6 * 100 * 64; get++) {
    history.record(1000 + (get % 3));
    const count = history.estimate(1);
    if (seen.at(-1) !== count) seen.push(count);
  }
  assert.deepEqual(seen, [15, 7, 3, 1, 0]);
});

test('a history of 10,000 pages takes 16 bytes a page and keeps pages wanted often through a scan', () => {
  const history = new FrequencyHistory(30);
  history.reach(10_000);
  assert.ok(history.bytes <= 16.5 * 10_000);
  for (let round = 0; round < 6; round++) for (let key = 0; key < 5000; key++) history.record(key);
  for (let key = 100_000; key < 200_000; key++) history.record(key);
  let kept = 0;
  for (let key = 0; key < 5000; key++) if (history.estimate(key) > 1) kept++;
  assert.ok(kept > 4900, `${kept} of 5000`);
});
