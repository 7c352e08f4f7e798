import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Place, Placement } from './placement.js';

test('exports without pages spread evenly over the threads, in their order', () => {
  const placement = new Placement(threads(3));
  assert.deepEqual(
    Array.from({ length: 7 }, (_, n) => placement.place({ guest: 'g', name: `s${n}` }, undefined)),
    [0, 1, 2, 0, 1, 2, 0],
  );
});

test('an export is where its pages are, and counts there for those that have none', () => {
  const placement = new Placement(threads(2));
  assert.equal(placement.place({ guest: 'a', name: 's' }, 0), 0);
  assert.equal(placement.place({ guest: 'a', name: 't' }, 0), 0);
  assert.deepEqual(
    ['u', 'v', 'w'].map((name) => placement.place({ guest: 'a', name }, undefined)),
    [1, 1, 0],
  );
});

test('a part that a former worker has left serves what it holds and takes nothing new, but its thread is not idle', () => {
  const placement = new Placement([...threads(2), { part: 2, thread: 0, isOpen: false }]);
  assert.equal(placement.place({ guest: 'a', name: 's' }, 2), 2);
  assert.deepEqual(
    ['t', 'u', 'v'].map((name) => placement.place({ guest: 'a', name }, undefined)),
    [1, 0, 1],
  );
});

test('where the capacity had no room for any new part, those of former workers serve what is new as well', () => {
  const placement = new Placement([{ part: 3, thread: 0, isOpen: false }]);
  assert.equal(placement.place({ guest: 'a', name: 's' }, undefined), 3);
});

test('exports of one trust domain are together, where the first of them is, even if that is less even', () => {
  const placement = new Placement(threads(2));
  placement.place({ guest: 'x', name: 's' }, undefined);
  assert.deepEqual(
    ['a', 'b', 'c'].map((guest) => placement.place({ guest, name: 's', domain: 'tenant' }, undefined)),
    [1, 1, 1],
  );
  assert.equal(placement.place({ guest: 'y', name: 's' }, undefined), 0);
  // Pages do not move for it.
  assert.equal(placement.place({ guest: 'd', name: 's', domain: 'tenant' }, 0), 0);
  assert.equal(placement.place({ guest: 'e', name: 's', domain: 'tenant' }, undefined), 1);
});

test('what is removed makes room for others, and a trust domain ends with its last export', () => {
  const placement = new Placement(threads(2));
  for (const guest of ['a', 'b']) placement.place({ guest, name: 's', domain: guest }, undefined);
  assert.deepEqual(placement.partsOf('b'), [1]);
  placement.removeGuest('b');
  assert.deepEqual([placement.partsOf('b'), placement.partOf({ guest: 'b', name: 's' })], [[], undefined]);
  placement.remove({ guest: 'a', name: 's' });
  assert.equal(placement.place({ guest: 'c', name: 's' }, undefined), 0);
  assert.equal(placement.place({ guest: 'd', name: 's', domain: 'a' }, undefined), 1);
  placement.remove({ guest: 'nobody', name: 's' });
});

test('a guest is told from one whose name begins with its own', () => {
  const placement = new Placement(threads(2));
  placement.place({ guest: 'vm', name: 's' }, undefined);
  placement.place({ guest: 'vm1', name: 's' }, undefined);
  placement.removeGuest('vm');
  assert.deepEqual([placement.partsOf('vm'), placement.partsOf('vm1')], [[], [1]]);
});

function threads(count: number): Place[] {
  return Array.from({ length: count }, (_, n) => ({ part: n, thread: n, isOpen: true }));
}
