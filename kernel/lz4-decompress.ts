/**
 * One LZ4 block into a page (the format is drawn in `lz4-compress.ts`), trusting nothing of it.
 *
 * The block may be any bytes at all: every count is judged before the store that it leads to. What is copied in wide
 * words may run past its end: at most 32 bytes read past the block and written past the page, half of the slack that
 * every buffer has.
 *
 * @hot Once per page loaded.
 */
import { Bytes, PAGE_BYTES } from './bytes';

/** A longer block cannot be a page's: every sequence takes at most 1/255 more than it makes, and 16 bytes. */
const BLOCK_BYTES_MAX: u32 = 4096 + 4096 / 255 + 16;

const MATCH_BYTES_MIN: usize = 4;
/** A count in the token that goes on behind it. */
const COUNT_GOES_ON: usize = 15;
const OFFSET_BYTES: usize = 2;

/** Literals and match of a sequence whose counts end in the token. */
const SHORT_LITERALS_MAX: usize = 14;
const SHORT_MATCH_MAX: usize = 14 + MATCH_BYTES_MIN;

const REFUSED: i32 = -1;

/**
 * For offsets below 16, which repeat what they are still writing. Row `offset` of the first table holds the lane
 * numbers 0 to 15 modulo the offset: a swizzle by it turns one period into a full vector. The second holds how far
 * apart such vectors may be, in whole periods.
 */
const REPEATS: usize = memory.data(16 * 16, 16);
const STRIDES: usize = memory.data(16, 16);
for (let offset: usize = 1; offset < 16; offset++) {
  for (let lane: usize = 0; lane < 16; lane++) store<u8>(REPEATS + offset * 16 + lane, <u8>(lane % offset));
  store<u8>(STRIDES + offset, <u8>(16 - (<usize>16 % offset)));
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

  while (true) {
    const token = <usize>load<u8>(at++);
    let literals = token >> 4;
    let length = (token & 15) + MATCH_BYTES_MIN;
    let offset: usize;

    // Nearly all sequences are short and far from both ends: then one look is enough for all that they do.
    const inRoom = end - (SHORT_LITERALS_MAX + OFFSET_BYTES) - at;
    const outRoom = outEnd - (SHORT_LITERALS_MAX + SHORT_MATCH_MAX) - out;
    if (Look.noneNegative(inRoom, outRoom, SHORT_LITERALS_MAX - literals)) {
      v128.store(out, v128.load(at));
      at += literals;
      out += literals;
      offset = <usize>load<u16>(at);
      at += OFFSET_BYTES;
      if (Look.noneNegative(out - to - offset, offset - 8, SHORT_MATCH_MAX - length)) {
        const match = out - offset;
        store<u64>(out, load<u64>(match));
        store<u64>(out, load<u64>(match, 8), 8);
        store<u16>(out, load<u16>(match, 16), 16);
        out += length;
        continue;
      }
    } else {
      // The token itself was read past the end.
      if (at > end) return REFUSED;
      if (literals == COUNT_GOES_ON) {
        let more: usize;
        do {
          if (at >= end) return REFUSED;
          more = <usize>load<u8>(at++);
          literals += more;
        } while (more == 255);
      }
      if (literals > end - at || literals > outEnd - out) return REFUSED;
      Bytes.copyWide(at, out, literals);
      at += literals;
      out += literals;
      // Only the last sequence has no match.
      if (at == end) return out == outEnd ? <i32>PAGE_BYTES : REFUSED;
      if (end - at < OFFSET_BYTES) return REFUSED;
      offset = <usize>load<u16>(at);
      at += OFFSET_BYTES;
    }

    if (length == COUNT_GOES_ON + MATCH_BYTES_MIN) {
      let more: usize;
      do {
        if (at >= end) return REFUSED;
        more = <usize>load<u8>(at++);
        length += more;
      } while (more == 255);
    }
    // An offset of 0 is refused as well.
    if (offset - 1 >= out - to || length > outEnd - out) return REFUSED;
    const match = out - offset;
    const matchEnd = out + length;
    if (offset >= 16) {
      Bytes.copyWide(match, out, length);
    } else {
      const period = v128.swizzle(v128.load(match), v128.load(REPEATS + offset * 16));
      const stride = <usize>load<u8>(STRIDES + offset);
      do {
        v128.store(out, period);
        v128.store(out + stride, period);
        out += stride + stride;
      } while (out < matchEnd);
    }
    out = matchEnd;
  }
}

class Look {
  /** Whether none of three differences went below 0: one branch, and all are nearly always true or false together. */
  @inline
  static noneNegative(a: usize, b: usize, c: usize): bool {
    return <isize>(a | b | c) >= 0;
  }
}
