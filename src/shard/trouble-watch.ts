/**
 * What goes wrong in a shard is told to the operator. The layers below only count; here their counts are looked at now
 * and then. One that has risen makes a line of the log, at most one of a kind in ten seconds, which says how many it
 * stands for; and a warning of the status for as long as somebody may still have to do something about it.
 */
import type { LogLevel } from '../base/shard-port.js';
import type { Warning } from '../base/status.js';
import type { ShardLog } from './serve-shard.js';

/** One kind of what can go wrong. */
export interface Trouble {
  /** Of its warning. */
  readonly code: string;
  readonly level: LogLevel;
  /** Who counts it. Asked about once a second. */
  readonly tallies: () => readonly Tally[];
  /** One line: what has happened so often, to whom, what to do. */
  readonly text: (count: number, names: string) => string;
}

export interface Tally {
  readonly name: string;
  /** How often it has gone wrong, ever. */
  readonly bad: number;
  /** Grows when the same goes well: that ends the warning. What nothing makes good again has a constant here. */
  readonly good: number;
}

/** Between two looks at the counts. */
const LOOK_US = 1e6;

/** Between two lines of a kind. */
const QUIET_US = 10e6;

/** A warning outlives its cause by this: who asks now and then must see it. */
const STANDING_US = 60e6;

/** More names than this are only counted. */
const NAMES_MAX = 5;

/** What is remembered of a tally. */
interface Seen {
  readonly name: string;
  bad: number;
  good: number;
  /** Of `bad`, what lines of the log have told. */
  told: number;
  /** When `bad` was last seen to rise, and `good` as it was then. */
  risenUs: number;
  goodThen: number;
}

interface Watched {
  readonly trouble: Trouble;
  readonly seen: Map<string, Seen>;
  quietUntilUs: number;
}

export class TroubleWatch {
  readonly #log: ShardLog;
  readonly #watched: readonly Watched[];
  #nextLookUs = -Infinity;

  constructor(troubles: readonly Trouble[], log: ShardLog) {
    this.#log = log;
    this.#watched = troubles.map((trouble) => ({ trouble, seen: new Map(), quietUntilUs: -Infinity }));
  }

  /** Call it often: it looks once a second. O(tallies). */
  report(nowUs: number): void {
    if (nowUs < this.#nextLookUs) return;
    this.#nextLookUs = nowUs + LOOK_US;
    for (const watched of this.#watched) {
      const seen = look(watched, nowUs);
      if (nowUs >= watched.quietUntilUs && this.#tell(watched.trouble, seen)) watched.quietUntilUs = nowUs + QUIET_US;
    }
  }

  /** What no line has told yet, whenever the last one was: for the end. */
  reportRest(nowUs: number): void {
    for (const watched of this.#watched) this.#tell(watched.trouble, look(watched, nowUs));
  }

  warnings(nowUs: number): Warning[] {
    return this.#watched.flatMap((watched) => {
      const standing = look(watched, nowUs).filter(
        ({ bad, good, goodThen, risenUs }) => bad > 0 && (good === goodThen || nowUs - risenUs < STANDING_US),
      );
      if (standing.length === 0) return [];
      const { code, text } = watched.trouble;
      return { code, text: text(sum(standing.map(({ bad }) => bad)), namesOf(standing)) };
    });
  }

  /** @returns whether there was anything to tell */
  #tell({ level, text }: Trouble, seen: readonly Seen[]): boolean {
    const risen = seen.filter(({ bad, told }) => bad > told);
    if (risen.length === 0) return false;
    const count = sum(risen.map(({ bad, told }) => bad - told));
    const total = sum(seen.map(({ bad }) => bad));
    for (const each of risen) each.told = each.bad;
    this.#log(level, `${text(count, namesOf(risen))}${total > count ? ` (${total} since the start)` : ''}`);
    return true;
  }
}

/** Takes the counts over. @returns what is remembered of the tallies that are there now */
function look({ trouble, seen }: Watched, nowUs: number): Seen[] {
  return trouble.tallies().map(({ name, bad, good }) => {
    let known = seen.get(name);
    if (known === undefined) {
      known = { name, bad: 0, good, told: 0, risenUs: -Infinity, goodThen: good };
      seen.set(name, known);
    }
    if (bad > known.bad) {
      known.risenUs = nowUs;
      known.goodThen = good;
    }
    known.bad = bad;
    known.good = good;
    return known;
  });
}

function namesOf(seen: readonly Seen[]): string {
  const names = seen.slice(0, NAMES_MAX).map(({ name }) => name);
  const more = seen.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
