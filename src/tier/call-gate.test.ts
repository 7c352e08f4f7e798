import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallGate } from './call-gate.js';

test('no more calls are under way than the gate lets through, and each that ends lets the next one in', () => {
  const gate = new CallGate(2);
  const begun: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) gate.enter(false, beginning(begun, name));
  assert.deepEqual(begun, ['a', 'b']);
  gate.leave();
  assert.deepEqual(begun, ['a', 'b', 'c']);
  gate.leave();
  gate.leave();
  gate.enter(true, beginning(begun, 'e'));
  assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e']);
});

test('reads go before writes that wait, one for one, each kind in its order', () => {
  const gate = new CallGate(1);
  const begun: string[] = [];
  for (const name of ['w1', 'w2', 'w3', 'w4']) gate.enter(false, beginning(begun, name));
  for (const name of ['r1', 'r2']) gate.enter(true, beginning(begun, name));
  while (begun.length < 6) gate.leave();
  assert.deepEqual(begun, ['w1', 'r1', 'w2', 'r2', 'w3', 'w4']);
});

test('a call that is not begun after all takes no place, however many there are', () => {
  const gate = new CallGate(1);
  const begun: string[] = [];
  gate.enter(false, beginning(begun, 'first'));
  for (let n = 0; n < 100_000; n++) gate.enter(n % 2 === 0, () => false);
  gate.enter(false, beginning(begun, 'last'));
  gate.leave();
  assert.deepEqual(begun, ['first', 'last']);
});

function beginning(begun: string[], name: string): () => boolean {
  return () => begun.push(name) > 0;
}
