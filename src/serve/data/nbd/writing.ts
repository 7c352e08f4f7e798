/**
 * WRITE: the payload goes to the store page by page as it arrives, straight from the read area. Nothing is allocated
 * by the length a client claims, and a payload that never comes costs nothing.
 *
 * At a page that cannot be taken now the caller decides: the rest of the payload is put aside as it comes, or nothing more
 * is taken until it can.
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

/** A page that is away, or room: nothing is lacking where it is `stored`. */
export type WriteLack = typeof WriteOutcome.stored | typeof WriteOutcome.away | typeof WriteOutcome.later;

export class Writing {
  /** Whether a request has been begun and its payload not all taken. */
  active = false;
  /** What the last call of {@link receive} did. */
  moved = 0;
  stored = false;
  starved = false;
  /** Why the next page was not taken: it, and what follows, is to be put aside or waited with. */
  lack: WriteLack = WriteOutcome.stored;

  readonly #face: BlockFace;
  readonly #replies: Replies;
  readonly #request: NbdRequest;
  readonly #counters: NbdCounters;
  readonly #bytes: Uint8Array;
  /** The next byte is for `#start` of `#page`; `#left` of them are to come. */
  #page = 0;
  #start = 0;
  #left = 0;
  #error: NbdError = NbdError.none;
  #errorText: Uint8Array = ErrorText.invalid;
  /** What is put aside of the payload, and how much of it has come. */
  #aside: Uint8Array | undefined;
  #asideBytes = 0;

  constructor(face: BlockFace, replies: Replies, request: NbdRequest, counters: NbdCounters) {
    this.#face = face;
    this.#replies = replies;
    this.#request = request;
    this.#counters = counters;
    this.#bytes = replies.bytes;
  }

  begin(): void {
    const { offset, length } = this.#request;
    this.#page = Math.floor(offset / PAGE_BYTES);
    this.#start = offset - this.#page * PAGE_BYTES;
    this.#left = length;
    this.#error = NbdError.none;
    this.lack = WriteOutcome.stored;
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
    this.#forgetAside();
  }

  /** Whether what comes next goes to the store, and is not thrown away. */
  get stores(): boolean {
    return this.active && this.#error === NbdError.none && this.#aside === undefined;
  }

  /** What the store has not taken. */
  get rest(): { page: number; offset: number; length: number } {
    return { page: this.#page, offset: this.#page * PAGE_BYTES + this.#start, length: this.#left + this.#asideBytes };
  }

  /** From now on the payload is put aside. */
  putAside(): void {
    this.#aside = new Uint8Array(this.#left);
    this.#asideBytes = 0;
  }

  /** What was put aside, when all of it has come. */
  get aside(): Uint8Array | undefined {
    return this.#left === 0 ? this.#aside : undefined;
  }

  /** The request is not answered here: the rest of it is put aside, or was. */
  part(): void {
    this.active = false;
    this.#forgetAside();
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
    this.lack = WriteOutcome.stored;
    while (this.#left > 0 && this.stores) {
      if (this.moved >= pages) return next;
      const bytes = Math.min(PAGE_BYTES - this.#start, this.#left);
      if (end - next < bytes) {
        this.starved = true;
        return next;
      }
      if (!this.#store(bytes, next)) return next;
      next += bytes;
      this.#left -= bytes;
      this.#page++;
      this.#start = 0;
      this.moved++;
    }
    if (this.#left > 0) next = this.#aside === undefined ? this.#drain(next, end) : this.#keep(next, end, this.#aside);
    if (this.#left === 0 && this.#aside === undefined) this.#reply();
    return next;
  }

  /** @returns false: not now */
  #store(bytes: number, from: number): boolean {
    const outcome =
      bytes === PAGE_BYTES
        ? this.#face.writePage(this.#page, address(from))
        : this.#face.writePart(this.#page, this.#start, bytes, address(from));
    if (outcome === WriteOutcome.away || outcome === WriteOutcome.later) {
      this.lack = outcome;
      return false;
    }
    if (outcome === WriteOutcome.stored) this.stored = true;
    else if (outcome === WriteOutcome.full) this.fail(NbdError.noSpace, ErrorText.full);
    else if (outcome === WriteOutcome.unread) this.fail(NbdError.io, ErrorText.unread);
    else if (outcome === WriteOutcome.frozen) this.fail(NbdError.noSpace, ErrorText.frozen);
    else this.fail(NbdError.io, ErrorText.damaged);
    return true;
  }

  #forgetAside(): void {
    this.#aside = undefined;
    this.#asideBytes = 0;
  }

  #keep(at: number, end: number, aside: Uint8Array): number {
    const bytes = Math.min(this.#left, end - at);
    aside.set(this.#bytes.subarray(at, at + bytes), this.#asideBytes);
    this.#asideBytes += bytes;
    this.#left -= bytes;
    this.moved += Math.ceil(bytes / DRAINED_BYTES_PER_PAGE);
    this.starved = this.#left > 0;
    return at + bytes;
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
