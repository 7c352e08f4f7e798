/**
 * What every bench is: one question, the floors its answer must keep, and a run. Figures that have floors are ratios
 * against a named peer of the same run, or counts of bytes: times alone say more of the machine than of us.
 */

export interface Bench {
  /** As it is asked for: `npm run bench -- NAME`. */
  readonly name: string;
  /** What its figures answer. */
  readonly question: string;
  /** Without these it is skipped; named as in `test/support/needs.ts`. */
  readonly needs: readonly string[];
  /**
   * Without these, named in the same way, it says that it measured nothing, and `--check` takes that for an answer: what
   * it needs cannot be had everywhere.
   */
  readonly mayLack?: readonly string[];
  /** By the name of the figure. One that is not measured, because a peer is not here, is a miss for `--check` alone. */
  readonly floors: Readonly<Record<string, Floor>>;
  run(scale: Scale): Promise<BenchRun>;
}

/** `quick`: does it work at all, in half a minute; figures are rough. */
export type Scale = 'full' | 'quick';

/** What the value must keep, and what would be better still. */
export interface Floor {
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly stretch?: number;
}

export interface BenchRun {
  /** What was run on what, a line each: pages, slices, command lines of servers. */
  readonly setting: readonly string[];
  readonly figures: readonly Figure[];
  /** Why a peer was left out, one each. */
  readonly skippedPeers?: readonly string[];
  /** What was measured but is no figure, as rows of a table. */
  readonly tables?: readonly Table[];
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `x` is a ratio: the named peer's is 1. */
  readonly unit: 'x' | 'us' | 'bytes' | 'MiB';
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export function keeps({ atLeast = -Infinity, atMost = Infinity }: Floor, value: number): boolean {
  return value >= atLeast && value <= atMost;
}

export function reachesStretch({ atLeast, stretch }: Floor, value: number): boolean {
  if (stretch === undefined) return false;
  return atLeast === undefined ? value <= stretch : value >= stretch;
}

/** Of values that are in no order; of an even number the upper of the middle two. NaN of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
