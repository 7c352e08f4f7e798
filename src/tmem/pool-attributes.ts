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

/** Flags words of pools of 4 KiB pages. */
export const PERSISTENT_PRIVATE: number = PERSISTENT | (ABI_VERSION << VERSION_SHIFT);
export const EPHEMERAL_PRIVATE: number = ABI_VERSION << VERSION_SHIFT;
export const EPHEMERAL_SHARED: number = SHARED | (ABI_VERSION << VERSION_SHIFT);

export interface PoolAttributes {
  /** Pages stay until they are flushed (R12); else they may vanish at any time (R13). */
  readonly isPersistent: boolean;
  /** Several clients may have it (R58). */
  readonly isShared: boolean;
  /**
   * A get keeps the page (R28). A private ephemeral pool is destructive, its gets take the page (R27), unless it is made
   * inclusive: for clients that do not put again what they evict. No flag of the ABI says so.
   */
  readonly isInclusive: boolean;
}

/** What the flags ask for; undefined: refused with EPERM (R3). Only ephemeral pools can be shared (R58). */
export function attributesOf(flags: number, inclusive: boolean): PoolAttributes | undefined {
  const isPersistent = (flags & PERSISTENT) !== 0;
  const isShared = (flags & SHARED) !== 0;
  const isSupported =
    flags >>> VERSION_SHIFT === ABI_VERSION &&
    (flags & RESERVED) === 0 &&
    (flags & PRECOMPRESSED) === 0 &&
    ((flags >>> PAGE_SIZE_SHIFT) & PAGE_SIZE_MASK) + 12 === PAGE_SHIFT &&
    !(isPersistent && isShared);
  return isSupported ? { isPersistent, isShared, isInclusive: isPersistent || isShared || inclusive } : undefined;
}

/** The attributes as a word, of pages of 4 KiB. */
export function flagsOf({ isPersistent, isShared }: PoolAttributes): number {
  return (isPersistent ? PERSISTENT : 0) | (isShared ? SHARED : 0) | (ABI_VERSION << VERSION_SHIFT);
}
