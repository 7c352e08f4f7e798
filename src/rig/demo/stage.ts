import { setTimeout as sleep } from 'node:timers/promises';
import type { DemoGuest } from './demo-guest.js';
import type { DemoStore } from './demo-store.js';
import type { DemoKill, DemoSpill } from './report.js';

/** What the phases of the demo share. */
export interface Stage {
  /** How long the demo should take. */
  readonly seconds: number;
  readonly guests: readonly DemoGuest[];
  readonly store: DemoStore;
  readonly kills: DemoKill[];
  readonly spills: DemoSpill[];
  /** Seconds since the demo began. */
  readonly now: () => number;
  /** Looks at the daemon once more. */
  readonly look: () => Promise<void>;
  /** Tells of something that has happened. */
  readonly say: (words: string) => void;
  /** What is happening from now on. */
  readonly doing: (words: string) => void;
  /** Whether the demo has been given up, so that nothing should be waited for. */
  readonly isOver: () => boolean;
}

/** A part of the demo, from its beginning to its end. It rejects when a guest ends early. */
export type Phase = (stage: Stage) => Promise<void>;

const POLL_MS = 100;

/** Resolves when the condition holds. */
export async function until(stage: Stage, condition: () => boolean): Promise<void> {
  while (!condition()) {
    if (stage.isOver()) throw new Error('the demo is over');
    await sleep(POLL_MS);
  }
}

/** The same, or after so many seconds. @returns whether it holds */
export async function untilOrLate(stage: Stage, seconds: number, condition: () => boolean): Promise<boolean> {
  const end = stage.now() + seconds;
  await until(stage, () => condition() || stage.now() >= end);
  return condition();
}
