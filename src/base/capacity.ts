import { formatSize } from './size.js';
import { GIB, MIB } from './units.js';

/** A shard keeps two segments back and writes into a third; with less than this no page would be left to store. */
export const CAPACITY_BYTES_MIN: number = 8 * MIB;

/** Most that a shard can address: locations are 32 bits and count in 16 bytes. */
export const CAPACITY_BYTES_MAX: number = 64 * GIB;

/** Threads beyond the cores of a machine gain nothing, and each keeps back some room. */
export const WORKERS_MAX = 64;

/** Why an arena cannot have this capacity; undefined when it can. */
export function capacityProblem(bytes: number): string | undefined {
  if (bytes < CAPACITY_BYTES_MIN) return `too little: the arena needs at least ${formatSize(CAPACITY_BYTES_MIN)}`;
  if (bytes > CAPACITY_BYTES_MAX) return `too much: an arena has at most ${formatSize(CAPACITY_BYTES_MAX)}`;
  return undefined;
}
