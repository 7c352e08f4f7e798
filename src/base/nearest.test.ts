import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.js';

test('the nearest word is the one with the fewest changes, whatever its case', () => {
  const words = ['weight', 'cap', 'owner', 'kind'];
  assert.deepEqual(
    ['wieght', 'CAP', 'ownr', 'kin'].map((word) => nearest(word, words)),
    ['weight', 'cap', 'owner', 'kind'],
  );
  assert.equal(nearest('x', []), undefined);
});
