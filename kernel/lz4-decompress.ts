/**
 * One LZ4 block into a page (the format is drawn in `lz4-compress.ts`), trusting nothing of it.
 *
 * The block may be any bytes at all: every count is judged before the store that it leads to. What is copied in wide
 * words may run past its end: at most 32 bytes read past the block and 64 written past the page, the slack that every
 * buffer has.
 *
 * @hot Once per page loaded.
 */
import { Bytes, PAGE_BYTES } from './bytes';

/** A longer block cannot be a page's: every sequence takes at most 1/255 more than it makes, and 16 bytes. */
const BLOCK_BYTES_MAX: u32 = 4096 + 4096 / 255 + 16;

const MATCH_BYTES_MIN: usize = 4;

const REFUSED: i32 = -1;

/**
 * For offsets below 16, which repeat what they are still writing: row `offset` holds the lane numbers 0 to 15 modulo
 * the offset, so that a swizzle turns one period into a full vector.
 */
const REPEATS: usize = memory.data(16 * 16, 16);
for (let offset: usize = 1; offset < 16; offset++) {
  for (let lane: usize = 0; lane < 16; lane++) store<u8>(REPEATS + offset * 16 + lane, <u8>(lane % offset));
}

/**
 * Decompresses the `bytes` bytes at `block` to the page at `to`.
 *
 * @returns 4096, or -1 for a block that is not exactly one page's; then the page's bytes are undefined
 */
export function decompress(block: usize, bytes: i32, to: usize): i32 {
  // Also keeps every count below 2^21, so that sums of counts never wrap.
  if (<u32>bytes > BLOCK_BYTES_MAX) return REFUSED;
  const end = block + <usize>bytes;
  const outEnd = to + PAGE_BYTES;
  let at = block;
  let out = to;

  while (at < end) {
    const token = <usize>load<u8>(at++);

    let literals = token >> 4;
    if (literals == 15) {
      let more: usize;
      do {
        if (at >= end) return REFUSED;
        more = <usize>load<u8>(at++);
        literals += more;
      } while (more == 255);
      if (literals > end - at || literals > outEnd - out) return REFUSED;
      Bytes.copyWide(at, out, literals);
    } else {
      if (literals > end - at || literals > outEnd - out) return REFUSED;
      v128.store(out, v128.load(at));
    }
    at += literals;
    out += literals;

    // Only the last sequence has no match.
    if (at >= end) return at == end && out == outEnd ? <i32>PAGE_BYTES : REFUSED;

    const offset = <usize>load<u16>(at);
    at += 2;
    if (at > end || offset - 1 >= out - to) return REFUSED;
    const match = out - offset;

    let length = (token & 15) + MATCH_BYTES_MIN;
    if (length < 15 + MATCH_BYTES_MIN && offset >= 8) {
      if (length > outEnd - out) return REFUSED;
      // Up to 18 bytes by words that the offset keeps apart.
      store<u64>(out, load<u64>(match));
      store<u64>(out, load<u64>(match, 8), 8);
      store<u16>(out, load<u16>(match, 16), 16);
      out += length;
      continue;
    }

    if (length == 15 + MATCH_BYTES_MIN) {
      let more: usize;
      do {
        if (at >= end) return REFUSED;
        more = <usize>load<u8>(at++);
        length += more;
      } while (more == 255);
    }
    if (length > outEnd - out) return REFUSED;
    if (offset >= 16) {
      Bytes.copyWide(match, out, length);
    } else {
      const period = v128.swizzle(v128.load(match), v128.load(REPEATS + offset * 16));
      // Whole periods only, or the next vector would begin in the middle of one.
      const stride: usize = 16 - (<usize>16 % offset);
      const matchEnd = out + length;
      for (let here = out; here < matchEnd; here += stride) v128.store(here, period);
    }
    out += length;
  }
  return REFUSED;
}
