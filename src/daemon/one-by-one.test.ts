import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OneByOne } from './one-by-one.js';

test('tasks run one after the other in the order in which they came, and one that fails fails alone', async () => {
  const oneByOne = new OneByOne();
  const seen: string[] = [];
  const task = (name: string, fails: boolean) => async (): Promise<string> => {
    seen.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${name} ends`);
    if (fails) throw new Error(name);
    return name;
  };
  const ended = await Promise.allSettled([
    oneByOne.run(task('a', false)),
    oneByOne.run(task('b', true)),
    oneByOne.run(() => {
      throw new Error('at once');
    }),
    oneByOne.run(task('c', false)),
  ]);
  assert.deepEqual(seen, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  assert.deepEqual(
    ended.map((each) => (each.status === 'fulfilled' ? each.value : (each.reason as Error).message)),
    ['a', 'b', 'at once', 'c'],
  );
});
