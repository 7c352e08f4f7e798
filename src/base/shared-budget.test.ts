import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedBudget } from './shared-budget.js';
import { GIB, KIB } from './units.js';

test('what is taken is not left, what is given is, and more than is left cannot be taken', () => {
  const budget = SharedBudget.of(10 * KIB);
  assert.ok(budget.take(6 * KIB));
  assert.equal(budget.take(6 * KIB), false);
  assert.equal(budget.leftBytes, 4 * KIB);
  budget.give(2 * KIB);
  assert.ok(budget.take(6 * KIB));
  assert.equal(budget.leftBytes, 0);
});

test('where there is more than the capacity nothing can be taken until enough was given', () => {
  const budget = SharedBudget.of(-3 * KIB);
  assert.equal(budget.take(KIB), false);
  budget.give(4 * KIB);
  assert.ok(budget.take(KIB));
  assert.equal(budget.leftBytes, 0);
});

test('a terabyte has its place in it', () => {
  const budget = SharedBudget.of(1024 * GIB);
  assert.ok(budget.take(512 * GIB));
  assert.equal(budget.leftBytes, 512 * GIB);
});

test('threads that take and give at once never have more than there is, and lose nothing', async () => {
  const threads = 3;
  const all = 5 * KIB;
  const budget = SharedBudget.of(all);
  const workers = Array.from({ length: threads }, () => new Worker(TAKER, { eval: true, workerData: budget.memory }));
  const least = await Promise.all(
    workers.map(async (worker) => {
      const [seen]: number[] = await once(worker, 'message');
      return seen!;
    }),
  );
  assert.ok(
    least.every((left) => left >= 0),
    `at least ${least.join(', ')} was left`,
  );
  assert.equal(budget.leftBytes, all);
});

/** Each holds up to three of five, so that three of them get in each other's way. */
const TAKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(${JSON.stringify(new URL('shared-budget.js', import.meta.url).href)}).then(({ SharedBudget }) => {
    const budget = new SharedBudget(workerData);
    let held = 0;
    let least = Infinity;
    for (let n = 0; n < 200_000; n++) {
      if (held < 3 && budget.take(1024)) held++;
      else if (held > 0) { budget.give(1024); held--; }
      least = Math.min(least, budget.leftBytes);
    }
    budget.give(held * 1024);
    parentPort.postMessage(least);
  });
`;
