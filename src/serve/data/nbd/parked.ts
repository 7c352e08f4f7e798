/**
 * Requests of one connection that cannot be answered now: a page of theirs is away, or there is no room yet. They are put
 * aside, others go on, and when what they lack may be there they are carried out again from the start, as if they came in
 * then. The protocol leaves the order of requests in flight open, and a client does not rely on it.
 *
 *      begun ──lacks something──▶ parked ──pages arrived, room made──▶ ready ──▶ begun again
 *
 * What a client can cost: {@link PARKED_MAX} requests, {@link PARKED_BYTES_MAX} of payloads and fetched pages before no
 * further request of it is looked at, and one more request.
 */
import type { Elsewhere } from '../../../base/elsewhere.js';
import { KIB, MIB, PAGE_BYTES } from '../../../base/units.js';
import type { NbdRequest } from '../../../wire/nbd/request.js';
import type { FetchedPages } from './arrived-face.js';

export const PARKED_MAX = 256;
export const PARKED_BYTES_MAX: number = MIB;

/** A payload that is longer is not put aside: its connection waits with it. */
export const PARKED_PAYLOAD_MAX: number = MIB;

/** Pages of a request that are fetched at once: of a longer read, the rest comes after these. */
const FETCHED_AT_ONCE: number = (256 * KIB) / PAGE_BYTES;

export interface ParkedRequest {
  readonly request: Readonly<NbdRequest>;
  /** Of a WRITE. */
  readonly payload: Uint8Array;
  /** Those that were fetched for it. */
  readonly pages: FetchedPages;
}

export class Parked {
  /** Put aside, and ready. */
  count = 0;
  readonly #elsewhere: Elsewhere;
  readonly #wake: () => void;
  readonly #ready: ParkedRequest[] = [];
  readonly #waiting = new Set<ParkedRequest>();
  #bytes = 0;
  #isClosed = false;

  /** @param wake - has a turn taken soon, not within the call: a request is ready */
  constructor(elsewhere: Elsewhere, wake: () => void) {
    this.#elsewhere = elsewhere;
    this.#wake = wake;
  }

  /** Whether no other request may be begun. */
  get isFull(): boolean {
    return this.count >= PARKED_MAX || this.#bytes >= PARKED_BYTES_MAX;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Until the pages of its range have arrived that are away. `pages` are those that it has already. */
  untilArrived(parked: ParkedRequest): void {
    const { request, pages } = parked;
    const first = Math.floor(request.offset / PAGE_BYTES);
    const end = Math.ceil((request.offset + request.length) / PAGE_BYTES);
    let coming = 1;
    const arrived = (): void => {
      if (--coming === 0) this.#isReady(parked);
    };
    this.#add(parked);
    for (let page = first; page < end && coming <= FETCHED_AT_ONCE; page++) {
      const { state } = pages.get(page) ?? { state: 'gone' };
      if (state !== 'gone' || !this.#elsewhere.isAway(page)) continue;
      pages.get(page)?.release();
      if (!pages.has(page)) this.#bytes += PAGE_BYTES;
      coming++;
      pages.set(page, this.#elsewhere.fetch(page, arrived));
    }
    arrived();
  }

  /** Until room may have been made. */
  untilRoom(parked: ParkedRequest): void {
    this.#add(parked);
    this.#elsewhere.waitForRoom(() => this.#isReady(parked));
  }

  /** The one that has been ready longest, to be carried out now. */
  take(): ParkedRequest | undefined {
    const parked = this.#ready.shift();
    if (parked === undefined) return undefined;
    this.count--;
    this.#bytes -= bytesOf(parked);
    return parked;
  }

  /** The connection is gone. */
  close(): void {
    this.#isClosed = true;
    for (const { pages } of [...this.#waiting, ...this.#ready]) for (const page of pages.values()) page.release();
    this.#waiting.clear();
    this.#ready.length = 0;
  }

  #add(parked: ParkedRequest): void {
    this.count++;
    this.#bytes += bytesOf(parked);
    this.#waiting.add(parked);
  }

  #isReady(parked: ParkedRequest): void {
    if (this.#isClosed) return;
    this.#waiting.delete(parked);
    this.#ready.push(parked);
    this.#wake();
  }
}

function bytesOf({ payload, pages }: ParkedRequest): number {
  return payload.length + pages.size * PAGE_BYTES;
}
