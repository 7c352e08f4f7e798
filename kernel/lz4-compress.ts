/**
 * A page into one LZ4 block (the block format of lz4.org, which any LZ4 decoder reads).
 *
 * A block is a row of sequences, each some literals and then a match, a copy of what was written `offset` bytes ago:
 *
 *      ┌─────────────────────┬───────────────┬──────────┬────────────┬───────────────┐
 *      │ token               │ more literals │ literals │ offset     │ more match    │
 *      │ literals:4, match:4 │ 255 ... <255  │          │ u16, not 0 │ 255 ... <255  │
 *      └─────────────────────┴───────────────┴──────────┴────────────┴───────────────┘
 *
 * A count of 15 in the token goes on in bytes of up to 255, the last one below 255; a match counts from 4. The last
 * sequence is literals alone: the last 5 bytes of the page, at least, and no match starts in the last 12.
 *
 * The search is greedy: a hash of 6 bytes leads to the last place that had it, and the longer nothing is found, the
 * larger the steps. It is made for one page that is already in the cache:
 *
 * - Matches have 6 bytes at least, though the format allows 4. Most matches of 4 and 5 bytes save one byte, and each
 *   costs several branches that nobody can predict, here and in the decoder. Without them a page takes 2 % more room,
 *   an eighth less time to compress and a sixth less to decompress. (7 bytes: 5 %, a fifth and a fifth.)
 * - Places are 16 bits and forgotten by filling 4 KiB with zeros (0.1 us). Tagging them by page so as never to clear
 *   took 1.4 to 1.9 times as long: one more branch per try that nobody can predict.
 * - A forgotten place is place 0, a candidate like any other: the comparison of 6 bytes decides.
 * - The next bytes are loaded before the present ones are judged, so that tries overlap.
 *
 * @hot Once per page stored.
 */
import { Bytes, PAGE_BYTES } from './bytes';

/** 2,048 places: half of them lose 0.7 % of density, twice as many win 0.3 % and take longer to clear. */
const HASH_BITS: u32 = 11;
const PLACES_BYTES: usize = 2 << HASH_BITS;
const PLACES: usize = memory.data(4096, 64);

/** The shortest match of the format, and the shortest that is looked for. */
const MATCH_BYTES_MIN: usize = 4;
const FOUND_BYTES_MIN: u64 = 6;
/** No match starts in so many last bytes of a block, or reaches into so many; decoders copy in wide words by it. */
const MATCH_START_MARGIN: usize = 12;
const MATCH_END_MARGIN: usize = 5;

/** Steps grow by one byte for every 2^6 tries without a match. */
const STEP_SHIFT: u32 = 6;

/** What a sequence may take besides literals and their count: token, offset, and room for the count's first bytes. */
const SEQUENCE_BYTES_MAX: usize = 16;

/**
 * Compresses the page at `page` to `to`.
 *
 * @param limit - most bytes of output. Up to 64 bytes more may be overwritten.
 * @returns bytes of the block, or 0 where it does not fit
 */
export function compress(page: usize, to: usize, limit: i32): i32 {
  memory.fill(PLACES, 0, PLACES_BYTES);
  const end = page + PAGE_BYTES;
  const searchEnd = end - MATCH_START_MARGIN;
  const matchEnd = end - MATCH_END_MARGIN;
  const outEnd = to + <usize>limit;
  let out = to;
  // All before `pending` is in the block.
  let pending = page;
  let at = page + 1;
  let bytes = load<u64>(at);

  while (true) {
    let match: usize;
    let next = at;
    let step: usize = 1;
    let tries: usize = 1 << STEP_SHIFT;
    let here: u64;
    do {
      at = next;
      next += step;
      if (next > searchEnd) return lastLiterals(pending, end, to, out, outEnd);
      step = tries++ >> STEP_SHIFT;
      here = bytes;
      const place = PLACES + (Search.hash(here) << 1);
      match = page + <usize>load<u16>(place);
      bytes = load<u64>(next);
      store<u16>(place, <u32>(at - page));
    } while (Search.differ(load<u64>(match), here));

    // The bytes before may match as well.
    while (at > pending && match > page && load<u8>(at - 1) == load<u8>(match - 1)) {
      at--;
      match--;
    }

    const literals = at - pending;
    // A count takes a byte for every 255, and is not worth a division.
    if (out + literals + (literals >> 7) + SEQUENCE_BYTES_MAX > outEnd) return 0;
    let token = out++;
    let tokenLiterals: u32;
    if (literals < 15) {
      tokenLiterals = (<u32>literals) << 4;
    } else {
      tokenLiterals = 15 << 4;
      out = putCount(out, literals - 15);
    }
    Bytes.copyWide(pending, out, literals);
    out += literals;

    // Often a match begins right where the last one ended: then there are no literals, and no search.
    while (true) {
      const more = Bytes.matchLength(at + MATCH_BYTES_MIN, match + MATCH_BYTES_MIN, matchEnd);
      store<u16>(out, <u32>(at - match));
      out += 2;
      if (more < 15) {
        store<u8>(token, tokenLiterals | (<u32>more));
      } else {
        // A match as long as the page takes 17 bytes to count.
        if (out + 17 > outEnd) return 0;
        store<u8>(token, tokenLiterals | 15);
        out = putCount(out, more - 15);
      }
      at += more + MATCH_BYTES_MIN;
      pending = at;
      if (at >= searchEnd) return lastLiterals(pending, end, to, out, outEnd);

      store<u16>(PLACES + (Search.hash(load<u64>(at - 2)) << 1), <u32>(at - 2 - page));
      here = load<u64>(at);
      const place = PLACES + (Search.hash(here) << 1);
      match = page + <usize>load<u16>(place);
      store<u16>(place, <u32>(at - page));
      if (Search.differ(load<u64>(match), here)) break;
      if (out + SEQUENCE_BYTES_MAX > outEnd) return 0;
      token = out++;
      tokenLiterals = 0;
    }
    at++;
    bytes = load<u64>(at);
  }
}

/** Of words of 8 bytes, the first {@link FOUND_BYTES_MIN} count. */
class Search {
  static readonly UNUSED_BITS: u64 = 64 - 8 * FOUND_BYTES_MIN;

  /** Multiplicative hashing by 2^64 over the golden ratio. */
  @inline
  static hash(word: u64): usize {
    return <usize>(((word << Search.UNUSED_BITS) * 0x9e3779b185ebca87) >> (64 - HASH_BITS));
  }

  @inline
  static differ(a: u64, b: u64): bool {
    return (a ^ b) << Search.UNUSED_BITS != 0;
  }
}

function lastLiterals(pending: usize, end: usize, to: usize, out: usize, outEnd: usize): i32 {
  const literals = end - pending;
  if (out + 1 + (literals + 240) / 255 + literals > outEnd) return 0;
  if (literals < 15) {
    store<u8>(out++, (<u32>literals) << 4);
  } else {
    store<u8>(out++, 15 << 4);
    out = putCount(out, literals - 15);
  }
  Bytes.copyWide(pending, out, literals);
  return <i32>(out + literals - to);
}

/** The rest of a count that its token could not hold. */
function putCount(out: usize, rest: usize): usize {
  while (rest >= 255) {
    store<u8>(out++, 255);
    rest -= 255;
  }
  store<u8>(out, <u32>rest);
  return out + 1;
}
