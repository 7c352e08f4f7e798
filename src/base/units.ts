/** Sizes that everything agrees on. */

/** A page, everywhere: guests, protocol, store. Other page sizes are refused (R3). */
export const PAGE_BYTES = 4096;
export const PAGE_SHIFT = 12;

/** Most that one page takes as stored, header included. */
export const STORED_BYTES_MAX: number = PAGE_BYTES + 64;

/** Most that its pool is charged for it: where it may be shared it has a mark besides. */
export const CHARGED_BYTES_MAX: number = STORED_BYTES_MAX + 48;

export const KIB = 1024;
export const MIB: number = 1024 * KIB;
export const GIB: number = 1024 * MIB;
