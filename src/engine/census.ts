/**
 * Which segments an arena was closed with. A log that ends tells by itself only that it ends somewhere: whether
 * records or whole segments are missing at its end, or a file of it is gone, it cannot tell after a death. After a
 * clean stop it can: every segment has its seal, and the two newest say in their headers how many segments were in
 * use and what their slots and generations add up to. Two, so that damage to one of them does not silence both.
 *
 * The marks are wiped before the first change of the next life. Dying while they are made or wiped is harmless: what
 * they say is true as long as one of them is there.
 */
import type { Address } from '../base/ids.js';
import type { Kernel } from './kernel.js';

/** How many segments, and the XOR of what each hashes to: the same in any order. */
export interface Census {
  readonly segments: number;
  readonly low: number;
  readonly high: number;
}

/** Segments that bear the mark. */
export const MARKED_SEGMENTS = 2;

const ROW_BYTES = 16;

/** `scratch` holds 16 bytes. O(segments). */
export function takeCensus(
  kernel: Kernel,
  scratch: Address,
  used: Iterable<{ readonly slot: number; readonly generation: number }>,
): Census {
  const { view } = kernel;
  let segments = 0;
  let low = 0;
  let high = 0;
  for (const { slot, generation } of used) {
    view.setUint32(scratch, slot, true);
    view.setUint32(scratch + 4, 0, true);
    view.setFloat64(scratch + 8, generation, true);
    low ^= kernel.xxh3(scratch, ROW_BYTES, 0);
    high ^= kernel.xxh3High();
    segments++;
  }
  return { segments, low: low >>> 0, high: high >>> 0 };
}

export function sameCensus(a: Census, b: Census): boolean {
  return a.segments === b.segments && a.low === b.low && a.high === b.high;
}
