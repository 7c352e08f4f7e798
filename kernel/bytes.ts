/**
 * Moving and comparing bytes by the machine's widest words.
 *
 * Methods of a class only because there the formatter accepts `@inline`. It matters: the compiler does not inline a
 * function that holds a loop, and a call per literal run is a tenth of the codec's time.
 */

export const PAGE_BYTES: usize = 4096;

export class Bytes {
  /**
   * Copies `count` bytes by 32: up to 32 bytes past the end are read and written. The areas may overlap when `to` is
   * at least 16 above `from`: then what was written is read again, as LZ4 wants it.
   */
  @inline
  static copyWide(from: usize, to: usize, count: usize): void {
    const end = to + count;
    do {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      from += 32;
      to += 32;
    } while (to < end);
  }

  /** How many bytes from `a` equal those from `b`, `a` not going past `end`. */
  @inline
  static matchLength(a: usize, b: usize, end: usize): usize {
    const start = a;
    while (a + 8 <= end) {
      const difference = load<u64>(a) ^ load<u64>(b);
      if (difference != 0) return a - start + ((<usize>ctz(difference)) >> 3);
      a += 8;
      b += 8;
    }
    while (a < end && load<u8>(a) == load<u8>(b)) {
      a++;
      b++;
    }
    return a - start;
  }
}
