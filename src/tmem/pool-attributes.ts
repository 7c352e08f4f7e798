/**
 * What a pool is, fixed when it is made (R1). As a word (R2): bit 0 persistent, bit 1 shared, bit 2 precompressed,
 * bits 4-7 the page size as log2(bytes) - 12, bits 24-31 the ABI version; the rest is reserved and zero.
 */
import { PAGE_SHIFT } from '../base/units.js';

const PERSISTENT = 0x1;
const SHARED = 0x2;
const PRECOMPRESSED = 0x4;
const PAGE_SIZE_SHIFT = 4;
const PAGE_SIZE_MASK = 0xf;
const RESERVED = 0x00ffff08;
const VERSION_SHIFT = 24;
export const ABI_VERSION = 1;

/** The flags word of a private persistent pool of 4 KiB pages. */
export const PERSISTENT_PRIVATE: number = PERSISTENT | (ABI_VERSION << VERSION_SHIFT);

/**
 * Whether this version of tmem makes such a pool (R3). Ephemeral pools, and with them shared ones, are not built yet:
 * refused like any attribute that is not supported.
 */
export function isSupported(flags: number): boolean {
  return (
    flags >>> VERSION_SHIFT === ABI_VERSION &&
    (flags & RESERVED) === 0 &&
    (flags & PRECOMPRESSED) === 0 &&
    ((flags >>> PAGE_SIZE_SHIFT) & PAGE_SIZE_MASK) + 12 === PAGE_SHIFT &&
    (flags & PERSISTENT) !== 0 &&
    (flags & SHARED) === 0
  );
}
