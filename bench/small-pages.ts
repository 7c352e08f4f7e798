import { seededPrng } from '../src/base/prng.js';
import { PAGE_BYTES } from '../src/base/units.js';

const KINDS = 2048;
const SAME_FILLED_IN = 4;
const RANDOM_BYTES_MIN = 60;
const RANDOM_BYTES_MAX = 400;

/**
 * Pages that take little room, so that a bench can have millions of them: one in four same-filled, the others random in
 * their first 60 to 400 bytes and zeros behind. As stored they take 200 bytes each, headers included.
 */
export function smallPages(): Buffer {
  const prng = seededPrng(7);
  const pages = Buffer.alloc(KINDS * PAGE_BYTES);
  for (let page = 0; page < KINDS; page++) {
    const at = page * PAGE_BYTES;
    if (page % SAME_FILLED_IN === 0) pages.fill(prng.below(256), at, at + PAGE_BYTES);
    else {
      const bytes = RANDOM_BYTES_MIN + prng.below(RANDOM_BYTES_MAX - RANDOM_BYTES_MIN);
      for (let byte = 0; byte < bytes; byte++) pages[at + byte] = prng.below(256);
    }
  }
  return pages;
}
