/** What a bench found: figures that are ratios against a peer of the same run, and others for orientation. */
export interface BenchResult {
  readonly bench: string;
  /** What was run on what, in a line. */
  readonly setting: string;
  readonly figures: readonly Figure[];
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `x` is a ratio: the named peer's is 1. */
  readonly unit: 'x' | 'us';
  /** The value must not be above. */
  readonly atMost?: number;
  /** The value must not be below. */
  readonly atLeast?: number;
}

export function holds({ value, atMost = Infinity, atLeast = -Infinity }: Figure): boolean {
  return value <= atMost && value >= atLeast;
}

/** A line a figure. */
export function resultText({ bench, setting, figures }: BenchResult): string {
  const width = Math.max(...figures.map(({ name }) => name.length));
  const lines = figures.map((figure) => {
    const { name, value, unit, atMost, atLeast } = figure;
    const floor = atMost !== undefined ? `at most ${atMost}` : atLeast !== undefined ? `at least ${atLeast}` : '';
    const verdict = floor === '' ? '' : `  ${floor}${holds(figure) ? '' : '  MISSED'}`;
    return `  ${name.padEnd(width)}  ${value.toFixed(3).padStart(8)} ${unit.padEnd(2)}${verdict}`.trimEnd();
  });
  return [`${bench}: ${setting}`, ...lines, ''].join('\n');
}

/** Of values that are in no order; of an even number the upper of the middle two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
