import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededPrng } from './prng.js';

test('a seed replays its sequence, and another seed gives another', () => {
  const draw = (seed: number): number[] => {
    const prng = seededPrng(seed);
    return Array.from({ length: 100 }, () => prng.below(1000));
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
});

test('draws stay below their bound and reach every value', () => {
  const prng = seededPrng(7);
  const seen = new Set(Array.from({ length: 10_000 }, () => prng.below(10)));
  assert.deepEqual(
    [...seen].toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});
