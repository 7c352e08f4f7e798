import { assert } from '../src/base/assert.js';
import type { EntryTable } from '../src/evict/entry-table.js';
import type { EvictionOrder } from '../src/evict/eviction-order.js';
import { Fifo } from '../src/evict/fifo.js';
import { Lru } from '../src/evict/lru.js';
import { S3Fifo } from '../src/evict/s3-fifo.js';
import { WTinyLfu } from '../src/evict/w-tinylfu.js';
import { XS3 } from '../src/evict/x-s3.js';
import {
  type GuestStream,
  type MakeOrder,
  missesAlone,
  missesOfDestructivePool,
  missesOfInclusivePool,
  streamOfLruGuest,
} from '../src/lab/cache-run.js';
import { KNOWN_TRACES, readKnownTrace, tracesFolder } from '../src/lab/traces/known-traces.js';
import type { Bench, BenchRun, Figure, Scale } from './bench.js';
import { PROJECT_FOLDER } from './project-files.js';

/**
 * Eviction orders on real traces, behind a guest that evicts the least recently used: memory for 5 to 40 % of a
 * trace's pages, half the guest's, half the pool's. 1 is what the guest would miss if all of it were the guest's. The
 * figures are counts of a run without chance: they are the same on every machine, but for the times.
 */
export const evictBench: Bench = {
  name: 'evict',
  question: 'What does a guest miss with a pool of each order, against the same memory of its own?',
  needs: [],
  mayLack: ['traces'],
  floors: {
    'destructive, X-S3': { atMost: 0.95, stretch: 0.9 },
    'inclusive, W-TinyLFU': { atMost: 1.06, stretch: 1 },
    // Published answers, 0 being all of them: a reader or an order that counts wrongly shows here.
    'LRU, known answers missed': { atMost: 0 },
  },
  run,
};

interface Contender {
  readonly name: string;
  readonly kind: 'destructive' | 'inclusive';
  readonly make: MakeOrder;
}

const CONTENDERS: readonly Contender[] = [
  { name: 'LRU', kind: 'inclusive', make: (table: EntryTable): EvictionOrder => new Lru(table) },
  { name: 'S3-FIFO', kind: 'inclusive', make: (table: EntryTable): EvictionOrder => new S3Fifo(table) },
  { name: 'W-TinyLFU', kind: 'inclusive', make: (table: EntryTable): EvictionOrder => new WTinyLfu(table) },
  { name: 'FIFO', kind: 'destructive', make: (table: EntryTable): EvictionOrder => new Fifo(table) },
  { name: 'X-S3', kind: 'destructive', make: (table: EntryTable): EvictionOrder => new XS3(table) },
];

const PERCENT: readonly number[] = [5, 10, 20, 40];

/** Traces of the quick run. */
const SMALL: ReadonlySet<string> = new Set(['web07', 'sprite']);

/** Requests that LRU misses on CloudPhysics as libCacheSim reads it, by objects; hits of OLTP in %, by pages. */
const CLOUDPHYSICS_MISSES: readonly (readonly [number, number])[] = [
  [128, 99_411],
  [1024, 94_816],
];
const OLTP_HITS: readonly (readonly [number, string])[] = [
  [1000, '32.83'],
  [2000, '42.47'],
  [5000, '53.65'],
  [10_000, '60.70'],
  [15_000, '64.63'],
];

function run(scale: Scale): Promise<BenchRun> {
  const folder = tracesFolder(PROJECT_FOLDER);
  assert(folder !== null, 'the traces are here');
  const traces = KNOWN_TRACES.filter(({ name }) => scale === 'full' || SMALL.has(name));
  const cells = traces.flatMap(({ name }) => cellsOf(folder, name));
  const total = (contender: number): number => geometricMean(cells.map(({ ratios }) => ratios[contender]!));
  const figures = CONTENDERS.map(({ name, kind }, contender): Figure => {
    return { name: `${kind}, ${name}`, value: total(contender), unit: 'x' };
  });
  // Rough figures of two traces are no reason to fail, and say nothing of the floors.
  if (scale === 'full') figures.push({ name: 'LRU, known answers missed', value: wrongAnswers(folder), unit: 'x' });
  return Promise.resolve({
    setting: [
      `an LRU guest and a pool, half the memory each; ${PERCENT.join(', ')} % of the pages of ${traces.map(({ name }) => name).join(', ')}`,
      'misses of both together, over those of an LRU guest with all the memory; geometric means',
    ],
    figures,
    tables: [missTable(cells), timeTable(cells)],
  });
}

interface Cell {
  readonly trace: string;
  readonly percent: number;
  /** By contender. */
  readonly ratios: readonly number[];
  readonly ms: readonly number[];
  /** Pages that the pools were asked for. */
  readonly gets: number;
}

function cellsOf(folder: string, name: string): Cell[] {
  const trace = readKnownTrace(folder, name);
  return PERCENT.map((percent) => {
    const memory = Math.round((trace.distinct * percent) / 100);
    const guest = Math.floor(memory / 2);
    const alone = missesAlone(trace, memory, (table) => new Lru(table));
    const stream = streamOfLruGuest(trace, guest);
    const runs = CONTENDERS.map((contender) => timed(contender, stream, memory - guest));
    return {
      trace: name,
      percent,
      ratios: runs.map(({ misses }) => misses / alone),
      ms: runs.map(({ ms }) => ms),
      gets: stream.fetched.length,
    };
  });
}

function timed({ kind, make }: Contender, stream: GuestStream, poolPages: number): { misses: number; ms: number } {
  const start = process.cpuUsage();
  const misses = (kind === 'inclusive' ? missesOfInclusivePool : missesOfDestructivePool)(stream, poolPages, make);
  const { user, system } = process.cpuUsage(start);
  return { misses, ms: (user + system) / 1000 };
}

function missTable(cells: readonly Cell[]): { columns: string[]; rows: (string | number)[][] } {
  return {
    columns: ['trace', '%', ...CONTENDERS.map(({ name, kind }) => `${name}, ${kind}`)],
    rows: cells.map(({ trace, percent, ratios }) => [trace, percent, ...ratios.map((ratio) => ratio.toFixed(3))]),
  };
}

/** A get, and the put and the eviction that it leads to. */
function timeTable(cells: readonly Cell[]): { columns: string[]; rows: (string | number)[][] } {
  const gets = cells.reduce((sum, cell) => sum + cell.gets, 0);
  return {
    columns: ['order', 'ns of CPU a get'],
    rows: CONTENDERS.map(({ name, kind }, contender) => {
      const ms = cells.reduce((sum, cell) => sum + cell.ms[contender]!, 0);
      return [`${name}, ${kind}`, Math.round((ms * 1e6) / gets)];
    }),
  };
}

/** How many of the published answers LRU does not have. */
function wrongAnswers(folder: string): number {
  const requests = readKnownTrace(folder, 'CloudPhysics', { unit: 'request' });
  const lru: MakeOrder = (table) => new Lru(table);
  const misses = CLOUDPHYSICS_MISSES.filter(([size, answer]) => missesAlone(requests, size, lru) !== answer);
  const oltp = readKnownTrace(folder, 'OLTP');
  const hits = OLTP_HITS.filter(([size, answer]) => {
    return (100 * (1 - missesAlone(oltp, size, lru) / oltp.pages.length)).toFixed(2) !== answer;
  });
  return misses.length + hits.length;
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
