/** Arenas of another format version, made of arenas of this one: the number in each header, and the check over it. */
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { xxh3 } from '../../src/engine/reference/xxh3.js';
import { FORMAT_VERSION, HEADER_COPY_BYTES } from '../../src/engine/segment-header.js';

const VERSION_AT = 8;
const CHECK_AT = 56;

/** All segments of an arena that no daemon has, in whatever shard. */
export function segmentFilesOf(arena: string): string[] {
  const names = readdirSync(arena, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => path.basename(name).startsWith('segment-'))
    .map((name) => path.join(arena, name))
    .toSorted();
}

/**
 * Makes every header say that it is of `version`. Whoever writes another version has the same arena in mind, so a copy
 * that is torn stays so.
 *
 * @returns how many copies of headers were changed
 */
export function writeFormatVersion(arena: string, version: number): number {
  let changed = 0;
  for (const file of segmentFilesOf(arena)) {
    const descriptor = openSync(file, 'r+');
    for (const at of [0, HEADER_COPY_BYTES]) {
      const copy = Buffer.alloc(HEADER_COPY_BYTES);
      readSync(descriptor, copy, 0, copy.length, at);
      const check = (): bigint => xxh3(copy.subarray(0, CHECK_AT), 0n);
      if (copy.toString('latin1', 0, 7) !== 'tmemlog' || copy.readBigUInt64LE(CHECK_AT) !== check()) continue;
      copy.writeUInt32LE(version, VERSION_AT);
      copy.writeBigUInt64LE(check(), CHECK_AT);
      writeSync(descriptor, copy, 0, copy.length, at);
      changed++;
    }
    closeSync(descriptor);
  }
  return changed;
}

/** The one before ours. */
export const PREVIOUS_VERSION: number = FORMAT_VERSION - 1;
