import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Undo } from './undo.js';

test('steps are undone in reverse, once, and one that fails keeps none back', async () => {
  const undo = new Undo();
  const taken: string[] = [];
  undo.add(async () => void taken.push('first'));
  undo.add(() => Promise.reject(new Error('no')));
  undo.add(async () => void taken.push('last'));
  await assert.rejects(undo.run(), /no/);
  await assert.rejects(undo.run(), /no/);
  assert.deepEqual(taken, ['last', 'first']);
});

test('a step that comes when the end has begun is taken all the same', async () => {
  const undo = new Undo();
  const taken: string[] = [];
  undo.add(async () => undo.add(async () => void taken.push('during')));
  await undo.run();
  undo.add(async () => void taken.push('after'));
  await undo.run();
  assert.deepEqual(taken, ['during', 'after']);
});
