/**
 * What the index knows of one page: two 32-bit words.
 *
 *      word 0: where its record starts, in units of 16 bytes from the start of segment 0; 0 = no page (there is a
 *              segment's header, never a record)
 *      word 1: bits 0-12 payload bytes; bit 13 lost; bit 14 the batch that is being staged changes this page; bit 15
 *              spilled; bit 16 it was put or got since the spiller came by
 *
 * The record of a spilled page is a mark, whose payload has always the same length: bits 0-12 and 17-31 are its slot. So
 * is that of a shared page, which has bits 13 and 15 set: there they are the number of its content.
 */
import { PAGE_BYTES } from '../base/units.js';
import { MARK_BYTES, recordBytes } from './record.js';

const PAYLOAD_MASK = 0x1fff;
const PAYLOAD_BITS = 13;
export const ENTRY_LOST = 0x2000;
export const ENTRY_PENDING = 0x4000;
export const ENTRY_SPILLED = 0x8000;
/** Of the bits that say what the page is: it is shared. */
const SHARED: number = ENTRY_SPILLED | ENTRY_LOST;
export const ENTRY_USED = 0x10000;
const SLOT_SHIFT = 17;

/** Slots of a spill file: a terabyte. */
export const SPILL_SLOTS_MAX: number = 2 ** 28;

/** Contents of a shard: as many. */
export const CONTENTS_MAX: number = 2 ** 28;

export function payloadBytesOf(word: number): number {
  return (word & ENTRY_SPILLED) === 0 ? word & PAYLOAD_MASK : MARK_BYTES;
}

/** What the page's record takes in the log. */
export function storedBytesOf(word: number): number {
  return recordBytes(payloadBytesOf(word));
}

export function isSameFilled(word: number): boolean {
  return (word & (PAYLOAD_MASK | ENTRY_LOST | ENTRY_SPILLED)) === 0;
}

export function isRaw(word: number): boolean {
  return (word & (PAYLOAD_MASK | ENTRY_SPILLED)) === PAGE_BYTES;
}

export function isLost(word: number): boolean {
  return (word & SHARED) === ENTRY_LOST;
}

export function isSpilled(word: number): boolean {
  return (word & SHARED) === ENTRY_SPILLED;
}

export function isShared(word: number): boolean {
  return (word & SHARED) === SHARED;
}

export function wordOfSlot(slot: number): number {
  return wordOf(slot, ENTRY_SPILLED);
}

/** Of a page that is spilled. */
export function slotOfWord(word: number): number {
  return numberOf(word);
}

export function wordOfContent(content: number): number {
  return wordOf(content, SHARED);
}

/** Of a page that is shared. */
export function contentOfWord(word: number): number {
  return numberOf(word);
}

function wordOf(number: number, flags: number): number {
  return ((number & PAYLOAD_MASK) | ((number >>> PAYLOAD_BITS) << SLOT_SHIFT) | flags) >>> 0;
}

function numberOf(word: number): number {
  return (word & PAYLOAD_MASK) | ((word >>> SLOT_SHIFT) << PAYLOAD_BITS);
}
