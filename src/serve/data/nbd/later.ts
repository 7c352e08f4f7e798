/**
 * What a transmission does with requests that lack something: puts them aside, takes them up again when they may not lack it
 * any more, and feeds what was put aside of their payload to the store as if it came in now.
 */
import type { Address } from '../../../base/ids.js';
import type { Elsewhere } from '../../../base/elsewhere.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, WriteOutcome } from '../../../hooks/block-face.js';
import type { NbdRequest } from '../../../wire/nbd/request.js';
import { ArrivedFace } from './arrived-face.js';
import type { NbdBuffers } from './buffers.js';
import { FETCHED_AT_ONCE, Parked, PARKED_PAYLOAD_MAX, type ParkedRequest } from './parked.js';
import type { WriteLack, Writing } from './writing.js';

/** What is left of a request: bytes of the disk. */
export interface Rest {
  readonly offset: number;
  readonly length: number;
}

const NO_BYTES = new Uint8Array();

export class Later {
  /** The export's, with the pages that were fetched for the request under way. */
  readonly face: ArrivedFace;
  readonly #parked: Parked;
  readonly #bytes: Uint8Array;
  readonly #page: Address;
  readonly #wake: () => void;
  readonly #readAtUs: () => number;
  /** The request under way was put aside before; of its payload, what has been looked at. */
  #rerun: ParkedRequest | undefined;
  #fedBytes = 0;
  /** Of a WRITE whose payload is being put aside: why, and where on the disk that begins. */
  #lack: WriteLack = WriteOutcome.stored;
  #asideAt = 0;

  /**
   * @param wake - has a turn taken soon, not within the call
   * @param readAtUs - when a request was read that is under way for the first time
   */
  constructor(buffers: NbdBuffers, face: BlockFace, elsewhere: Elsewhere, wake: () => void, readAtUs: () => number) {
    this.face = new ArrivedFace(face, elsewhere, buffers);
    this.#parked = new Parked(elsewhere, wake);
    this.#bytes = buffers.memory.bytes;
    this.#page = buffers.parkedPage;
    this.#wake = wake;
    this.#readAtUs = readAtUs;
  }

  /** Requests put aside. */
  get count(): number {
    return this.#parked.count;
  }

  /** Whether no other request may be begun. */
  get isFull(): boolean {
    return this.#parked.isFull;
  }

  /** Whether {@link Later.next} has one. */
  get hasReady(): boolean {
    return this.#parked.hasReady;
  }

  /** Whether the request under way was put aside before. */
  get isRerun(): boolean {
    return this.#rerun !== undefined;
  }

  /** When the request under way was read, if it was put aside before. */
  get sinceUs(): number | undefined {
    return this.#rerun?.sinceUs;
  }

  /** No request is under way. Takes up the one that has been ready longest. @returns whether there was one */
  next(request: NbdRequest): boolean {
    this.face.release();
    this.#rerun = this.#parked.take();
    if (this.#rerun === undefined) return false;
    this.#fedBytes = 0;
    Object.assign(request, this.#rerun.request);
    this.face.adopt(this.#rerun.pages);
    return true;
  }

  /** What is left of the request is carried out again when the pages of it have arrived, or there may be room. */
  park(request: NbdRequest, lack: WriteLack, rest: Rest, payload: Uint8Array = NO_BYTES): void {
    this.face.releaseBefore(Math.floor(rest.offset / PAGE_BYTES));
    const sinceUs = this.#rerun?.sinceUs ?? this.#readAtUs();
    const parked = { request: { ...request, ...rest }, sinceUs, payload, pages: this.face.part() };
    if (lack === WriteOutcome.later) this.#parked.untilRoom(parked);
    else this.#parked.untilArrived(parked);
  }

  /** More of the payload of a WRITE that was put aside, up to `pages`. @param take - gives `[at, end)` to the store */
  feed(writing: Writing, pages: number, take: (at: number, end: number) => void): void {
    const payload = this.#rerun?.payload ?? NO_BYTES;
    for (let fed = 0; fed < pages; fed++) {
      const left = payload.length - this.#fedBytes;
      const bytes = Math.min(PAGE_BYTES - (writing.rest.offset % PAGE_BYTES), left);
      this.#bytes.set(payload.subarray(this.#fedBytes, this.#fedBytes + bytes), this.#page);
      take(this.#page, this.#page + bytes);
      if (writing.lack !== WriteOutcome.stored) return;
      this.#fedBytes += bytes;
      if (!writing.active) return;
    }
  }

  /**
   * What becomes of a WRITE that is under way after some of its payload was taken.
   *
   * @returns `isPutAside`: what is left of it, as it comes. `waits`: nothing more of it can be taken before `wake`. Else
   *   what is to be parked, of which nothing is in the input any more
   */
  fateOf(
    writing: Writing,
  ): 'lacksNothing' | 'isPutAside' | 'waits' | { lack: WriteLack; rest: Rest; payload: Uint8Array } {
    const { lack, aside } = writing;
    const { page, offset, length } = writing.rest;
    if (aside !== undefined) {
      return { lack: this.#lack, rest: { offset: this.#asideAt, length: aside.length }, payload: aside };
    }
    if (lack === WriteOutcome.stored) return 'lacksNothing';
    if (this.#rerun !== undefined) {
      return { lack, rest: { offset, length }, payload: withoutStart(this.#rerun.payload, this.#fedBytes) };
    }
    if (length <= PARKED_PAYLOAD_MAX) {
      this.#lack = lack;
      this.#asideAt = offset;
      writing.putAside();
      return 'isPutAside';
    }
    if (lack === WriteOutcome.later) this.face.elsewhere.waitForRoom(this.#wake);
    else this.face.want(page, page + 1, this.#wake);
    return 'waits';
  }

  /** In the middle of data that nothing may interrupt, which end before `end`, there is a page that is away. */
  want(page: number, end: number): void {
    this.face.want(page, Math.min(end, page + FETCHED_AT_ONCE), this.#wake);
  }

  /** The connection is gone. */
  close(): void {
    this.#parked.close();
    this.face.release();
  }
}

/** What was at the start is not kept in memory, once it is most of it: so that as often as this is done, a byte is copied once. */
function withoutStart(payload: Uint8Array, bytes: number): Uint8Array {
  const left = payload.subarray(bytes);
  return left.length * 2 < left.buffer.byteLength ? left.slice() : left;
}
