import { setTimeout as sleep } from 'node:timers/promises';
import { Guest } from '../guest.js';
import type { GuestKernel } from '../find-kernel.js';
import { numberIn, type Report } from '../report-line.js';
import type { GuestFigures, GuestState } from './figures.js';

export const GUEST_MEMORY_MIB = 96;

/** More than the guest's memory, of which its kernel takes a third. */
export const GUEST_DATA_MIB = 104;

/** Under memory pressure even a shell may wait for the swap disk. */
const ANSWER_MS_MAX = 1500;

/** One guest of the demo: a guest of the rig whose workload needs no compiler, and what is known of it. */
export class DemoGuest {
  readonly name: string;
  readonly exportName: string;
  readonly guest: Guest;
  /** Pages swapped in by the first report after the last kill. */
  swapInsAtKill = 0;
  #asked = 0;
  /** The two latest reports of progress. */
  #before: Report | undefined;
  #latest: Report | undefined;

  constructor(options: {
    readonly name: string;
    readonly exportName: string;
    readonly socket: string;
    /** Of the contents of its pages; differs from guest to guest. */
    readonly seed: number;
    readonly kernel: GuestKernel;
    readonly limitSeconds: number;
  }) {
    const { name, exportName, socket, seed, kernel, limitSeconds } = options;
    this.name = name;
    this.exportName = exportName;
    this.guest = new Guest({
      memoryMib: GUEST_MEMORY_MIB,
      swap: { socket, exportName },
      parameters: { workload: 'awk', mib: GUEST_DATA_MIB, seed },
      limitSeconds,
      kernel,
    });
    this.guest.on('report', (report) => {
      if (report.tag !== 'HOG' || report.word !== '') return;
      this.#before = this.#latest;
      this.#latest = report;
    });
  }

  /** Pages checked a second, since it has filled its memory; 0 before. */
  get pagesPerSecond(): number {
    const filled = this.guest.latest('HOG', 'filled');
    const [since, until] = [filled, this.#latest].map((report) => report && numberIn(report, 'second'));
    if (since === undefined || until === undefined || until <= since) return 0;
    return this.#figure('verified') / (until - since);
  }

  figures(daemonIsAlive: boolean): GuestFigures {
    const state = this.#state(daemonIsAlive);
    return {
      name: this.name,
      state,
      memoryMib: GUEST_MEMORY_MIB,
      dataMib: GUEST_DATA_MIB,
      faultsPerSecond: state === 'waits' || state === 'done' ? 0 : this.#perSecond('faults'),
      swapIns: this.#figure('reads'),
      pagesVerified: this.#figure('verified'),
      bad: this.#figure('bad'),
    };
  }

  /**
   * Asks the guest's kernel how many requests it has sent to its swap disk that are not answered.
   *
   * @returns undefined when the guest does not say in time
   */
  async waiting(): Promise<number | undefined> {
    const ask = String(++this.#asked);
    this.guest.command(`waiting ${ask}`);
    const answer = this.guest.waitFor('GUEST', 'waiting', (report) => report.fields['ask'] === ask);
    const timely = new AbortController();
    try {
      const late = sleep(ANSWER_MS_MAX, undefined, { signal: timely.signal });
      const report = await Promise.race([answer, late]);
      return report && numberIn(report, 'reads') + numberIn(report, 'writes');
    } finally {
      timely.abort();
    }
  }

  /** Remembers what has been swapped in by the next report of progress. */
  async noteSwapIns(): Promise<void> {
    const known = this.#latest;
    const seconds = known === undefined ? -1 : numberIn(known, 'second');
    const next = await this.guest.waitFor('HOG', '', (report) => numberIn(report, 'second') > seconds);
    this.swapInsAtKill = numberIn(next, 'reads');
  }

  #state(daemonIsAlive: boolean): GuestState {
    if (this.guest.latest('HOG', 'done') !== undefined) return 'done';
    if (this.guest.latest('GUEST', 'swap') === undefined) return 'boots';
    if (!daemonIsAlive) return 'waits';
    if (this.guest.latest('HOG', 'last') !== undefined) return 'looks back';
    return this.guest.latest('HOG', 'filled') === undefined ? 'fills' : 'works';
  }

  #figure(field: string): number {
    const report = this.guest.latest('HOG', 'done') ?? this.#latest;
    return report === undefined ? 0 : numberIn(report, field);
  }

  #perSecond(field: string): number {
    if (this.#before === undefined || this.#latest === undefined) return 0;
    const seconds = numberIn(this.#latest, 'second') - numberIn(this.#before, 'second');
    return (numberIn(this.#latest, field) - numberIn(this.#before, field)) / Math.max(1, seconds);
  }
}
