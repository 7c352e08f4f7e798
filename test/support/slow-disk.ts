/** A disk that takes as long as the test wants: what was asked of it waits until it is told to end. */
import { setImmediate as nextRound } from 'node:timers/promises';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { Durability } from '../../src/base/durability.js';

export class SlowDisk implements Durability {
  /** Whether changes have to wait for room. */
  isShort = false;
  syncsAsked = 0;
  #waiting: ((outcome: CommitOutcome) => void)[] = [];
  #held: (() => void)[] = [];

  sync(done: (outcome: CommitOutcome) => void): void {
    this.syncsAsked++;
    this.#waiting.push(done);
  }

  mustWait(resume: () => void): boolean {
    if (this.isShort) this.#held.push(resume);
    return this.isShort;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get held(): number {
    return this.#held.length;
  }

  end(outcome: CommitOutcome = CommitOutcome.done): void {
    for (const done of this.#waiting.splice(0)) done(outcome);
    for (const resume of this.#held.splice(0)) resume();
  }

  /** Ends every sync when it is asked for, until `work` is done. */
  async serve(work: Promise<unknown>): Promise<void> {
    const state = { isOver: false };
    const over = work.finally(() => (state.isOver = true));
    while (!state.isOver) {
      this.end();
      await this.until(() => state.isOver || this.waiting > 0);
    }
    await over;
  }

  /** Until somebody waits for it, in rounds of the event loop. */
  async until(condition: () => boolean): Promise<void> {
    for (let rounds = 0; !condition(); rounds++) {
      if (rounds > 1e6) throw new Error('nobody waits for the disk');
      await nextRound();
    }
  }
}
