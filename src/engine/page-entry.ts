/**
 * What the index knows of one page: two 32-bit words.
 *
 *      word 0: where its record starts, in units of 16 bytes from the start of segment 0; 0 = no page (there is a
 *              segment's header, never a record)
 *      word 1: bits 0-12 payload bytes; bit 13 lost; bit 14 the batch that is being staged changes this page
 */
import { PAGE_BYTES } from '../base/units.js';
import { recordBytes } from './record.js';

const PAYLOAD_MASK = 0x1fff;
export const ENTRY_LOST = 0x2000;
export const ENTRY_PENDING = 0x4000;

export function payloadBytesOf(word: number): number {
  return word & PAYLOAD_MASK;
}

/** What the page's record takes in the log. */
export function storedBytesOf(word: number): number {
  return recordBytes(word & PAYLOAD_MASK);
}

export function isSameFilled(word: number): boolean {
  return (word & (PAYLOAD_MASK | ENTRY_LOST)) === 0;
}

export function isRaw(word: number): boolean {
  return (word & PAYLOAD_MASK) === PAGE_BYTES;
}

export function isLost(word: number): boolean {
  return (word & ENTRY_LOST) !== 0;
}
