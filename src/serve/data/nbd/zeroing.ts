/**
 * TRIM and WRITE_ZEROES: pages become holes, over as many turns as it takes, since both may span 4 GiB.
 *
 *      TRIM            ░░┌────┬────┬────┐░░      rounds inwards: a hint, and parts of pages are not worth keeping it
 *      WRITE_ZEROES    ██├────┼────┼────┤██      exact: whole pages become holes, the parts at the edges zeros
 *
 * NO_HOLE is taken and changes nothing: it asks that a later write find its room reserved, which a store that
 * compresses cannot promise for any page, stored or not; a page of zeros would take no room here either.
 *
 * In a turn an edge counts as a page, since it reads one and stores it again. A request counts as one at least.
 */
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, FLUSH_PAGES_MAX, WriteOutcome } from '../../../hooks/block-face.js';
import { Command, NbdError, type NbdRequest } from '../../../wire/nbd/request.js';
import { ErrorText, type Replies } from './replies.js';
import { TURN_PAGES } from './turns.js';
import type { WriteLack } from './writing.js';

/** Forgetting a page is so much cheaper than moving one. */
const FLUSHES_PER_PAGE: number = FLUSH_PAGES_MAX / TURN_PAGES;

export class Zeroing {
  /** Whether a request has been begun and not ended. */
  active = false;
  /** It was given up, because an edge is away or has no room: `rest` of it is to be zeroed again when that may succeed. */
  lack: WriteLack = WriteOutcome.stored;

  readonly #face: BlockFace;
  readonly #replies: Replies;
  readonly #request: NbdRequest;
  /** Whole pages still to go, and bytes of `#end` that come after them. */
  #page = 0;
  #end = 0;
  #tailBytes = 0;
  #error: NbdError = NbdError.none;
  #errorText: Uint8Array = ErrorText.full;
  #rest = { offset: 0, length: 0 };

  constructor(face: BlockFace, replies: Replies, request: NbdRequest) {
    this.#face = face;
    this.#replies = replies;
    this.#request = request;
  }

  /** @returns pages moved */
  begin(pages: number): number {
    const { command, offset, length } = this.#request;
    this.active = true;
    this.#error = NbdError.none;
    this.lack = WriteOutcome.stored;
    this.#rest = { offset, length };
    this.#page = Math.ceil(offset / PAGE_BYTES);
    this.#end = Math.floor((offset + length) / PAGE_BYTES);
    this.#tailBytes = 0;
    const moved = command === Command.writeZeroes ? this.#zeroHead(offset, offset + length) : 0;
    if (this.#isLacking()) return moved;
    return Math.max(1, moved + this.#step(pages - moved));
  }

  /** Goes on, and replies when all is done. @returns pages moved */
  step(pages: number): number {
    return Math.max(1, this.#step(pages));
  }

  /** Of a request that lacks something: what is not done. */
  get rest(): { offset: number; length: number } {
    return this.#rest;
  }

  /** The rest is left as it is. */
  fail(error: NbdError, text: Uint8Array): void {
    this.#error = error;
    this.#errorText = text;
  }

  #step(pages: number): number {
    let moved = 0;
    if (this.#error === NbdError.none && this.#page < this.#end) {
      const count = Math.min(this.#end - this.#page, Math.max(1, pages) * FLUSHES_PER_PAGE);
      this.#face.flushPages(this.#page, count);
      this.#page += count;
      moved += 1 + Math.floor(count / FLUSHES_PER_PAGE);
    }
    if (this.#error === NbdError.none && this.#page < this.#end) return moved;
    if (this.#error === NbdError.none && this.#tailBytes > 0) {
      this.#rest = { offset: this.#end * PAGE_BYTES, length: this.#tailBytes };
      this.#zeroPart(this.#end, 0, this.#tailBytes);
      moved++;
      if (this.#isLacking()) return moved;
    }
    this.active = false;
    if (this.#error === NbdError.none) this.#replies.promise(this.#request);
    else this.#replies.fail(this.#request, this.#error, this.#errorText);
    return moved;
  }

  /** Remembers the other edge. @returns pages moved */
  #zeroHead(offset: number, end: number): number {
    const page = Math.floor(offset / PAGE_BYTES);
    const start = offset - page * PAGE_BYTES;
    if (page === this.#end) {
      // All in one page, and not the whole of it.
      if (end === offset) return 0;
      this.#zeroPart(page, start, end - offset);
      return 1;
    }
    this.#tailBytes = end - this.#end * PAGE_BYTES;
    if (start === 0) return 0;
    this.#zeroPart(page, start, PAGE_BYTES - start);
    return 1;
  }

  #isLacking(): boolean {
    if (this.lack !== WriteOutcome.stored) this.active = false;
    return !this.active;
  }

  #zeroPart(page: number, start: number, bytes: number): void {
    const outcome = this.#face.zeroPart(page, start, bytes);
    if (outcome === WriteOutcome.away || outcome === WriteOutcome.later) this.lack = outcome;
    else if (outcome === WriteOutcome.unread) this.fail(NbdError.io, ErrorText.unread);
    else if (outcome === WriteOutcome.full) this.fail(NbdError.noSpace, ErrorText.full);
    else if (outcome === WriteOutcome.frozen) this.fail(NbdError.noSpace, ErrorText.frozen);
    else if (outcome === WriteOutcome.damaged) this.fail(NbdError.io, ErrorText.damaged);
  }
}
