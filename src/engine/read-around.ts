/**
 * Reads that go around what the files cannot read: a page of tmpfs whose memory is poisoned, a bad block of a disk.
 * The files answer EIO to every read that touches one, now and later. So such a read is done again block by block, and
 * a block that fails even alone is given as zeros, which are no record and no page's payload.
 */
import { systemCode } from '../base/errors.js';
import type { SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';

/** What fails together. */
export const BLOCK_BYTES = 4096;

/** Of {@link readOrNothing}: the files answered with an error. */
export const UNREADABLE = -1;

/** As {@link SegmentFiles.read}; {@link UNREADABLE} in place of a system error, and then `into` may be changed. */
export function readOrNothing(
  files: SegmentFiles,
  slot: SegmentSlot,
  at: number,
  into: Uint8Array,
  offset: number,
  length: number,
): number {
  try {
    return files.read(slot, at, into, offset, length);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return UNREADABLE;
  }
}

/** As {@link SegmentFiles.read}, with zeros for what is missing: what cannot be read, all of it then, or was cut off. */
export function readOrZeros(
  files: SegmentFiles,
  slot: SegmentSlot,
  at: number,
  into: Uint8Array,
  offset: number,
  length: number,
): void {
  const read = readOrNothing(files, slot, at, into, offset, length);
  if (read < length) into.fill(0, offset + Math.max(0, read), offset + length);
}

/**
 * As {@link SegmentFiles.read}, with zeros for blocks that cannot be read. Their numbers are added to `bad`. They count
 * as read, so what is returned may reach behind the end of a file whose last block is bad.
 */
export function readAround(
  files: SegmentFiles,
  slot: SegmentSlot,
  at: number,
  into: Uint8Array,
  offset: number,
  length: number,
  bad: Set<number>,
): number {
  const whole = readOrNothing(files, slot, at, into, offset, length);
  if (whole !== UNREADABLE) return whole;
  for (let done = 0; done < length;) {
    const from = at + done;
    const part = Math.min(length - done, BLOCK_BYTES - (from % BLOCK_BYTES));
    const read = readOrNothing(files, slot, from, into, offset + done, part);
    if (read === UNREADABLE) {
      into.fill(0, offset + done, offset + done + part);
      bad.add(Math.floor(from / BLOCK_BYTES));
    } else if (read < part) {
      return done + read;
    }
    done += part;
  }
  return length;
}
