/**
 * Sizes as people write them. Binary units only: integer bytes, or K, M, G, T with or without "iB". "2GB" is refused
 * rather than guessed, because tools disagree about whether it means 10^9 or 2^30.
 */
import { GIB, KIB, MIB } from './units.js';

const TIB: number = 1024 * GIB;
const UNITS: Readonly<Record<string, number>> = { K: KIB, M: MIB, G: GIB, T: TIB };

/** A size, or why it is none: words that fit after "NAME is". */
export type ParsedSize = { readonly bytes: number } | { readonly problem: string };

/** Reads `"2G"`, `"2GiB"`, `"4096"` or a number of bytes. Whole numbers from 0 to 2^53 - 1 bytes. */
export function parseSize(written: string | number): ParsedSize {
  if (typeof written === 'number')
    return Number.isSafeInteger(written) && written >= 0
      ? { bytes: written }
      : { problem: 'not a whole number of bytes' };
  const match = /^(\d+)(?:([KMGT])(?:iB)?)?$/.exec(written);
  if (match === null) return { problem: `not a size${hintFor(written)}` };
  const bytes = Number(match[1]) * (match[2] === undefined ? 1 : UNITS[match[2]]!);
  return Number.isSafeInteger(bytes) ? { bytes } : { problem: 'larger than any memory' };
}

/** For people: `0 B`, `980 KiB`, `1.5 GiB`; three figures are kept, and never a decimal unit. */
export function formatSize(bytes: number): string {
  for (const [name, unit] of [
    ['TiB', TIB],
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', KIB],
  ] as const) {
    if (bytes >= unit) {
      const count = bytes / unit;
      return `${count < 10 && !Number.isInteger(count) ? count.toFixed(1) : Math.round(count)} ${name}`;
    }
  }
  return `${bytes} B`;
}

function hintFor(written: string): string {
  const decimal = /^(\d+)([kKmMgGtT])[bB]$/.exec(written);
  if (decimal !== null) return `: write "${decimal[1]}${decimal[2]!.toUpperCase()}iB"`;
  const lowerCase = /^(\d+)([kmgt])(?:i[bB])?$/.exec(written);
  if (lowerCase !== null) return `: write "${lowerCase[1]}${lowerCase[2]!.toUpperCase()}iB"`;
  if (/^\d+\.\d+/.test(written)) return ': write a whole number of a smaller unit, such as "1536MiB"';
  return ': write bytes, or K, M, G or T with or without "iB", such as "2GiB"';
}
