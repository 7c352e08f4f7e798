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
import { Command, type NbdRequest } from '../../../wire/nbd/request.js';
import type { FetchedPages } from './arrived-face.js';

export const PARKED_MAX = 256;
export const PARKED_BYTES_MAX: number = MIB;

/** A payload that is longer is not put aside: its connection waits with it. */
export const PARKED_PAYLOAD_MAX: number = MIB;

/** Of a request, what is fetched at once: of a longer read, the rest comes after these. */
export const FETCHED_BYTES_MAX: number = 256 * KIB;
export const FETCHED_AT_ONCE: number = FETCHED_BYTES_MAX / PAGE_BYTES;

export interface ParkedRequest {
  readonly request: Readonly<NbdRequest>;
  /** When it was read, however often it was parked. */
  readonly sinceUs: number;
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

  /**
   * Until pages have arrived that are away: of a read all in its range, of a change those that it changes in part. `pages`
   * are those that it has already.
   */
  untilArrived(parked: ParkedRequest): void {
    const { request, pages } = parked;
    const { offset, length } = request;
    const isRead = request.command === Command.read;
    const first = Math.floor(offset / PAGE_BYTES);
    const last = Math.ceil((offset + length) / PAGE_BYTES) - 1;
    // What lies between the edges of a change, perhaps gigabytes, is not looked at.
    const next = (page: number): number => (isRead ? page + 1 : Math.max(page + 1, last));
    let coming = 1;
    const arrived = (): void => {
      if (--coming === 0) this.#isReady(parked);
    };
    this.#add(parked);
    for (let page = first; page <= last && coming <= FETCHED_AT_ONCE; page = next(page)) {
      const isWhole = page * PAGE_BYTES >= offset && (page + 1) * PAGE_BYTES <= offset + length;
      if (isWhole && !isRead) continue;
      const { state } = pages.get(page) ?? { state: 'gone' };
      if ((state !== 'gone' && state !== 'coming') || !this.#elsewhere.isAway(page)) continue;
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

/** Of memory. Part of a payload keeps the whole of it. */
function bytesOf({ payload, pages }: ParkedRequest): number {
  return payload.buffer.byteLength + pages.size * PAGE_BYTES;
}
