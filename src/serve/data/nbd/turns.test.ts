import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHARED_PAGES, TURN_PAGES, type TurnTaker, Turns } from './turns.js';

class Greedy implements TurnTaker {
  waiting = false;
  turns = 0;
  readonly #of: Turns;
  #left: number;

  constructor(of: Turns, pages: number) {
    this.#of = of;
    this.#left = pages;
  }

  takeTurn(pages: number): number {
    const moved = Math.min(pages, this.#left);
    this.#left -= moved;
    this.turns++;
    if (this.#left > 0) this.#of.wait(this);
    return moved;
  }
}

test('alone, a connection has the long turn; in company, the short one', () => {
  const turns = new Turns();
  const [one, other] = [new Greedy(turns, 0), new Greedy(turns, 0)];
  assert.equal(turns.begin(one), TURN_PAGES);
  assert.equal(turns.begin(one), TURN_PAGES);
  assert.equal(turns.begin(other), SHARED_PAGES);
  assert.equal(turns.begin(one), SHARED_PAGES);
});

test('company is over some time after the other was last heard of', () => {
  const turns = new Turns();
  const [one, other] = [new Greedy(turns, 0), new Greedy(turns, 0)];
  turns.begin(other);
  turns.begin(one);
  let shared = 0;
  while (turns.begin(one) === SHARED_PAGES) shared++;
  assert.ok(shared > 100 && shared < 10_000);
});

test('between two rounds of the event loop all that wait move one allowance together, each in turn', async () => {
  const turns = new Turns();
  const takers = Array.from({ length: 10 }, () => new Greedy(turns, 4 * SHARED_PAGES));
  for (const taker of takers) turns.begin(taker);
  for (const taker of takers) turns.wait(taker);
  const total = (): number => takers.reduce((sum, { turns: taken }) => sum + taken, 0);
  for (let round = 1; round <= 40; round++) {
    // Ours is queued behind theirs, so one round of theirs has run when it is called.
    await new Promise(setImmediate);
    assert.equal(total(), round);
    assert.ok(takers.every(({ turns: taken }) => Math.abs(taken - round / 10) < 1));
  }
});

test('who is forgotten has no turn any more', async () => {
  const turns = new Turns();
  const [gone, stays] = [new Greedy(turns, 1), new Greedy(turns, 1)];
  turns.wait(gone);
  turns.wait(stays);
  turns.forget(gone);
  await new Promise(setImmediate);
  assert.deepEqual([gone.turns, stays.turns], [0, 1]);
});
