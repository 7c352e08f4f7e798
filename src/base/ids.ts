/**
 * Branded numbers: things that are all "a number" and must not be mixed. A brand costs nothing at run time; inside
 * the layer that owns it, arithmetic on it is free, and the result is branded again where it leaves.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Byte offset into the kernel's memory, the only memory that pages pass through. */
export type Address = Branded<'Address'>;

/** Page number inside an object: the third part of a handle, an unsigned 32-bit integer. */
export type PageIndex = Branded<'PageIndex'>;

/** The engine's dense name of an object. Never used twice in the life of an arena. */
export type ObjectNumber = Branded<'ObjectNumber'>;

/** The engine's dense name of a pool. Never used twice in the life of an arena, unlike a client's pool id (R7). */
export type PoolNumber = Branded<'PoolNumber'>;

/** Which segment file: 0 and up, used again after the segment in it is gone. */
export type SegmentSlot = Branded<'SegmentSlot'>;

export function address(value: number): Address {
  return value as Address;
}

export function pageIndex(value: number): PageIndex {
  return value as PageIndex;
}

export function objectNumber(value: number): ObjectNumber {
  return value as ObjectNumber;
}

export function poolNumber(value: number): PoolNumber {
  return value as PoolNumber;
}

export function segmentSlot(value: number): SegmentSlot {
  return value as SegmentSlot;
}
