/**
 * The parts of an arena, one for each shard: a folder each, and in it a log of its own that knows nothing of the others.
 *
 *      ARENA/shard-0/segment-00000 ...
 *      ARENA/shard-1/segment-00000 ...
 */
import fs from 'node:fs';
import path from 'node:path';
import { KIB } from '../base/units.js';

const PART = /^shard-(0|[1-9]\d{0,3})$/;
const RETIRED = /^retired-\d+$/;
const SEGMENT = /^segment-\d{5}$/;

/** No arena has smaller ones. */
const SEGMENT_BYTES_MIN: number = 512 * KIB;

/** Where the segments of a part are. */
export function shardFolder(arena: string, part: number): string {
  return path.join(arena, `shard-${part}`);
}

/** The numbers of the parts that have segments, in order. */
export function partsOf(arena: string): number[] {
  return fs
    .readdirSync(arena)
    .flatMap((name) => PART.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((part) => segmentSizes(arena, part).length > 0)
    .toSorted((a, b) => a - b);
}

/** What a part takes of the capacity: a file that is shorter than the others counts as one of them. */
export function bytesOfPart(arena: string, part: number): number {
  const sizes = segmentSizes(arena, part);
  const segmentBytes = 2 ** Math.ceil(Math.log2(Math.max(SEGMENT_BYTES_MIN, ...sizes)));
  return sizes.length * segmentBytes;
}

/**
 * Removes a part that has no pages. Its files can only go together: without a tombstone that is in one of them, a page in
 * another would be there again. So the folder gets another name first, in which nobody looks for pages.
 */
export function retirePart(arena: string, part: number, onDisk: boolean): void {
  fs.renameSync(shardFolder(arena, part), path.join(arena, `retired-${part}`));
  if (onDisk) syncFolder(arena);
  removeRetired(arena);
}

/** What a death has left of {@link retirePart}. */
export function removeRetired(arena: string): void {
  for (const name of fs.readdirSync(arena)) {
    if (RETIRED.test(name)) fs.rmSync(path.join(arena, name), { recursive: true, force: true });
  }
}

function segmentSizes(arena: string, part: number): number[] {
  const folder = shardFolder(arena, part);
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .filter((name) => SEGMENT.test(name))
    .map((name) => fs.statSync(path.join(folder, name)).size);
}

function syncFolder(folder: string): void {
  const descriptor = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
