/**
 * WRITE: the payload goes to the store page by page as it arrives, straight from the read area. Nothing is allocated
 * by the length a client claims, and a payload that never comes costs nothing.
 *
 * The payload of a request that is refused, or whose first page the store refused, is taken all the same and thrown
 * away: only behind it does the stream have a meaning. Pages of the request that were stored before stay; the protocol
 * says nothing of the contents after a failed write.
 *
 * @hot No allocation.
 */
import { address } from '../../../base/ids.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, WriteOutcome } from '../../../hooks/block-face.js';
import { NbdError, type NbdRequest } from '../../../wire/nbd/request.js';
import type { NbdCounters } from './counters.js';
import { ErrorText, type Replies } from './replies.js';

/** Throwing bytes away is cheap but not free: so many count as a page. */
const DRAINED_BYTES_PER_PAGE = 32 * 1024;

export class Writing {
  /** Whether a request has been begun and its payload not all taken. */
  active = false;
  /** What the last call of {@link receive} did. */
  moved = 0;
  stored = false;
  starved = false;

  readonly #face: BlockFace;
  readonly #replies: Replies;
  readonly #request: NbdRequest;
  readonly #counters: NbdCounters;
  /** The next byte is for `#start` of `#page`; `#left` of them are to come. */
  #page = 0;
  #start = 0;
  #left = 0;
  #error: NbdError = NbdError.none;
  #errorText: Uint8Array = ErrorText.invalid;

  constructor(face: BlockFace, replies: Replies, request: NbdRequest, counters: NbdCounters) {
    this.#face = face;
    this.#replies = replies;
    this.#request = request;
    this.#counters = counters;
  }

  begin(): void {
    const { offset, length } = this.#request;
    this.#page = Math.floor(offset / PAGE_BYTES);
    this.#start = offset - this.#page * PAGE_BYTES;
    this.#left = length;
    this.#error = NbdError.none;
    this.active = true;
  }

  /** Begins a request that will fail, to get past its payload. */
  beginRefused(error: NbdError, text: Uint8Array): void {
    this.#left = this.#request.length;
    this.active = true;
    this.fail(error, text);
  }

  /** The rest of the payload is thrown away. */
  fail(error: NbdError, text: Uint8Array): void {
    this.#error = error;
    this.#errorText = text;
  }

  /** Whether what comes next goes to the store, and is not thrown away. */
  get stores(): boolean {
    return this.active && this.#error === NbdError.none;
  }

  /**
   * Takes payload from `[at, end)`, and replies after its last byte.
   *
   * @returns offset after what was taken; `moved` pages, `stored` any, `starved` for lack of input
   */
  receive(at: number, end: number, pages: number): number {
    let next = at;
    this.moved = 0;
    this.stored = false;
    this.starved = false;
    while (this.#left > 0 && this.#error === NbdError.none) {
      if (this.moved >= pages) return next;
      const bytes = Math.min(PAGE_BYTES - this.#start, this.#left);
      if (end - next < bytes) {
        this.starved = true;
        return next;
      }
      this.#store(bytes, next);
      next += bytes;
      this.#left -= bytes;
      this.#page++;
      this.#start = 0;
      this.moved++;
    }
    if (this.#left > 0) next = this.#drain(next, end);
    if (this.#left === 0) this.#reply();
    return next;
  }

  #store(bytes: number, from: number): void {
    const outcome =
      bytes === PAGE_BYTES
        ? this.#face.writePage(this.#page, address(from))
        : this.#face.writePart(this.#page, this.#start, bytes, address(from));
    if (outcome === WriteOutcome.stored) this.stored = true;
    else if (outcome === WriteOutcome.full) this.fail(NbdError.noSpace, ErrorText.full);
    else this.fail(NbdError.io, ErrorText.damaged);
  }

  #drain(at: number, end: number): number {
    const bytes = Math.min(this.#left, end - at);
    this.#left -= bytes;
    this.moved += Math.ceil(bytes / DRAINED_BYTES_PER_PAGE);
    this.starved = this.#left > 0;
    return at + bytes;
  }

  #reply(): void {
    this.active = false;
    // A request without payload has moved no page, but must not be free.
    this.moved = Math.max(1, this.moved);
    if (this.#error !== NbdError.none) return this.#replies.fail(this.#request, this.#error, this.#errorText);
    this.#counters.writtenBytes += this.#request.length;
    this.#replies.promise(this.#request);
  }
}
