/** The demo in words and columns. Pure: figures in, lines out. */

import { formatSize } from '../../base/size.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { Figures, GuestFigures, StoreFigures } from './figures.js';

interface Column {
  readonly head: string;
  readonly width: number;
  readonly cell: (guest: GuestFigures) => string;
}

/** The first two are words and stand to the left. */
const COLUMNS: readonly Column[] = [
  { head: 'guest', width: 8, cell: ({ name }) => name },
  { head: 'state', width: 10, cell: ({ state }) => state },
  { head: 'memory', width: 8, cell: ({ memoryMib }) => `${memoryMib} MiB` },
  { head: 'data', width: 9, cell: ({ dataMib }) => `${dataMib} MiB` },
  { head: 'faults/s', width: 10, cell: ({ faultsPerSecond }) => counted(faultsPerSecond) },
  { head: 'swapped in', width: 12, cell: ({ swapIns }) => counted(swapIns) },
  { head: 'checked', width: 10, cell: ({ pagesVerified }) => counted(pagesVerified) },
  { head: 'bad', width: 5, cell: ({ bad }) => counted(bad) },
];

/** Guests, host, and what is happening: the part of a terminal that is drawn anew. */
export function liveLines(figures: Figures): string[] {
  return [
    '',
    row(({ head }) => head),
    ...figures.guests.map((guest) => row(({ cell }) => cell(guest))),
    `${'host'.padEnd(8)}${hostWords(figures)}`,
    `${'store'.padEnd(8)}${storeWords(figures)}`,
    `${'now'.padEnd(8)}${figures.doing} (${Math.round(figures.seconds)} s)`,
  ];
}

/** The same in one line, for a log. */
export function plainLine(figures: Figures): string {
  const guests = figures.guests.map(
    ({ name, state, faultsPerSecond, pagesVerified, bad }) =>
      `${name} ${state}, ${counted(faultsPerSecond)} faults/s, ${counted(pagesVerified)} checked, ${counted(bad)} bad`,
  );
  return `${stamp(figures.seconds)}  ${[hostWords(figures), storeWords(figures), ...guests].join(' | ')}`;
}

/** A line about something that has happened. */
export function eventLine(seconds: number, words: string): string {
  return `${stamp(seconds)}  ${words}`;
}

/** `1,234`, or `0` for nothing. */
export function counted(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

function hostWords({ guests, store }: Figures): string {
  const given = guests.reduce((sum, { memoryMib }) => sum + memoryMib, 0);
  const lent = `${given} MiB given to guests`;
  if (store === undefined) return lent;
  // What a dead daemon leaves is its arena.
  const daemon = store.alive ? `daemon ${formatSize(store.daemonBytes)}` : 'no daemon';
  return `${lent}, arena ${formatSize(store.arenaBytes)}, ${daemon}`;
}

function storeWords({ store }: Figures): string {
  if (store === undefined) return 'empty';
  const stored = `${counted(store.storedPages)} pages stored${ratioWords(store)}`;
  const spilled = store.spilledPages === null ? [] : [`${counted(store.spilledPages)} spilled`];
  const rates = [`${counted(store.readsPerSecond)} reads/s`, `${counted(store.writesPerSecond)} writes/s`];
  return [stored, ...spilled, ...(store.alive ? rates : [])].join(', ');
}

/** Of those in memory. */
function ratioWords({ storedPages, spilledPages, storedBytes }: StoreFigures): string {
  const bytes = (storedPages - (spilledPages ?? 0)) * PAGE_BYTES;
  return storedBytes === 0 ? '' : ` at ${(bytes / storedBytes).toFixed(1)}:1`;
}

function row(cellOf: (column: Column) => string): string {
  return COLUMNS.map((column, at) =>
    at < 2 ? cellOf(column).padEnd(column.width) : cellOf(column).padStart(column.width),
  )
    .join('')
    .trimEnd();
}

function stamp(seconds: number): string {
  return `${seconds.toFixed(1).padStart(6)} s`;
}
