import { type Bench, type BenchRun, type Figure, type Floor, keeps, reachesStretch, type Table } from './bench.js';

/** A figure beside what it must keep; null is no floor. */
export interface JudgedFigure extends Figure {
  readonly floor: Floor | null;
  readonly kept: boolean;
}

/** One bench as it ended. */
export type BenchReport = { readonly name: string; readonly question: string } & (
  | { readonly skipped: string }
  | { readonly failed: string }
  /** Why nothing was measured, which is no fault. */
  | { readonly excused: string }
  | {
      readonly seconds_s: number;
      /** Floors that have no figure, and peers that were left out. */
      readonly unmeasured: readonly string[];
      readonly setting: readonly string[];
      readonly figures: readonly JudgedFigure[];
      readonly tables: readonly Table[];
    }
);

export function judged({ name, question, floors }: Bench, seconds: number, run: BenchRun): BenchReport {
  const figures = run.figures.map((figure): JudgedFigure => {
    const floor = floors[figure.name] ?? null;
    return { ...figure, floor, kept: floor === null || keeps(floor, figure.value) };
  });
  const absent = Object.keys(floors).filter((floor) => !figures.some((figure) => figure.name === floor));
  return {
    name,
    question,
    seconds_s: seconds,
    unmeasured: [...absent, ...(run.skippedPeers ?? [])],
    setting: run.setting,
    figures,
    tables: run.tables ?? [],
  };
}

/** Names of the figures below their floor, of one bench. */
export function missed(report: BenchReport): string[] {
  if (!('figures' in report)) return [];
  return report.figures.filter(({ kept }) => !kept).map(({ name }) => `${report.name}: ${name}`);
}

/** What of one bench was not measured, so that its floors may or may not be kept. */
export function unmeasured(report: BenchReport): string[] {
  if ('skipped' in report) return [`${report.name}: skipped, ${report.skipped}`];
  return 'unmeasured' in report ? report.unmeasured.map((what) => `${report.name}: ${what}`) : [];
}

export function reportText(report: BenchReport): string {
  const title = `${report.name}: ${report.question}`;
  if ('skipped' in report) return `${title}\n  skipped, ${report.skipped}\n`;
  if ('failed' in report) return `${title}\n  FAILED, ${report.failed}\n`;
  if ('excused' in report) return `${title}\n  not measured, ${report.excused}\n`;
  return [
    title,
    ...report.setting.map((line) => `  ${line}`),
    ...report.tables.flatMap((table) => ['', ...tableLines(table)]),
    '',
    ...figureLines(report.figures),
    '',
  ].join('\n');
}

function tableLines({ columns, rows }: Table): string[] {
  return aligned([columns, ...rows].map((row) => row.map(String)));
}

function figureLines(figures: readonly JudgedFigure[]): string[] {
  return aligned(
    figures.map(({ name, value, unit, floor, kept }) =>
      [name, valueText(value), unit, verdict(floor)]
        .map((cell, at) => (at === 3 && !kept ? `${cell}  MISSED` : cell))
        .map((cell, at) => (at === 3 && floor !== null && reachesStretch(floor, value) ? `${cell}  stretch` : cell)),
    ),
  );
}

function verdict(floor: Floor | null): string {
  if (floor === null) return '';
  const { atLeast, atMost, stretch } = floor;
  const limits = [
    ...(atLeast === undefined ? [] : [`at least ${atLeast}`]),
    ...(atMost === undefined ? [] : [`at most ${atMost}`]),
  ].join(', ');
  return stretch === undefined ? limits : `${limits} (${stretch})`;
}

function valueText(value: number): string {
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}

/** Columns of one width: the first and texts from the left, numbers from the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      /^[-\d.]+$/.test(cell) ? cell.padStart(width(column)) : cell.padEnd(width(column)),
    );
    return `  ${cells.join('  ')}`.trimEnd();
  });
}
