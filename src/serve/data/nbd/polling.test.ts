import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOOKS_MAX, Polling, SKIPPED_TURNS_MAX } from './polling.js';

/** An event loop by hand. */
class Loop {
  #next: (() => void) | undefined;
  readonly polling: Polling = new Polling((look) => (this.#next = look));

  /** @returns rounds in which the loop did not sleep, at most `rounds` */
  run(rounds = Infinity): number {
    let awake = 0;
    for (; awake < rounds && this.#next !== undefined; awake++) {
      const look = this.#next;
      this.#next = undefined;
      look();
    }
    return awake;
  }

  /** Turns, each behind a pause too long to wait for. @returns those that were followed by looking */
  pausing(turns: number): number {
    let looked = 0;
    for (let turn = 0; turn < turns; turn++) {
      this.polling.onInput();
      if (this.run() > 0) looked++;
    }
    return looked;
  }
}

test('after a turn the loop stays awake for so many rounds, and then sleeps', () => {
  const loop = new Loop();
  assert.equal(loop.run(), 0);
  loop.polling.onInput();
  assert.equal(loop.run(), LOOKS_MAX);
});

test('input in that time makes it stay as long again, however often', () => {
  const loop = new Loop();
  loop.polling.onInput();
  for (let n = 0; n < 1000; n++) {
    assert.equal(loop.run(LOOKS_MAX - 1), LOOKS_MAX - 1);
    loop.polling.onInput();
  }
  assert.equal(loop.run(), LOOKS_MAX);
});

test('where looking is for nothing it becomes seldom: one turn in 65', () => {
  const loop = new Loop();
  assert.ok(loop.pausing(200) < 10);
  assert.equal(loop.pausing(10 * (SKIPPED_TURNS_MAX + 1)), 10);
});

test('a guest that turns quick is soon looked for after every turn again', () => {
  const loop = new Loop();
  loop.pausing(1000);
  let turns = 0;
  // What comes within a few rounds is found by looking, once there is looking.
  for (let found = 0; found < 10; turns++) {
    loop.polling.onInput();
    if (loop.run(3) > 0) found++;
  }
  assert.ok(turns < SKIPPED_TURNS_MAX + 20, `${turns} turns`);
  loop.run();
  loop.polling.onInput();
  assert.equal(loop.run(), 0, 'one miss costs one turn');
  loop.polling.onInput();
  assert.equal(loop.run(), LOOKS_MAX);
});
