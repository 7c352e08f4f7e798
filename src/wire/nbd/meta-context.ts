/**
 * Metadata contexts: the one we have, and which queries name it.
 *
 * `base:allocation` tells holes from data: HOLE|ZERO for a page that is not stored, 0 for one that is. HOLE clear
 * is a hint that a write there needs no new room; the store compresses, so even there a write may be refused.
 *
 * Queries are compared as bytes: an unknown one is ignored whatever it holds, so it never becomes a string, and a
 * megabyte of empty queries costs a loop and no memory.
 */

/** The number that stands for the context in BLOCK_STATUS replies; ours to choose. */
export const ALLOCATION_CONTEXT_ID = 1;

export const ALLOCATION_CONTEXT_NAME = 'base:allocation';

/** Flags of an extent of `base:allocation`. */
export const ExtentFlag = { data: 0, hole: 1, zero: 2 } as const;

const ALLOCATION: Uint8Array = new TextEncoder().encode(ALLOCATION_CONTEXT_NAME);

/** Alone it is a wildcard in LIST and selects nothing in SET. */
const NAMESPACE: Uint8Array = new TextEncoder().encode('base:');

/** Whether a query of SET_META_CONTEXT selects `base:allocation`. */
export function selectsAllocation(query: Uint8Array): boolean {
  return equal(query, ALLOCATION);
}

/** Whether a query of LIST_META_CONTEXT asks for `base:allocation`. */
export function listsAllocation(query: Uint8Array): boolean {
  return equal(query, ALLOCATION) || equal(query, NAMESPACE);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
