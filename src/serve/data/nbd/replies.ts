/**
 * The replies of one turn, one after the other in the shared reply area, sent in one piece when the turn is over.
 *
 * Until then those of writes can still be changed: they are promises that only the next commit makes good, at the end of
 * the turn at the latest. So a success without data is always a simple reply, which the protocol allows beside
 * structured ones for all but READ, and its place is remembered. Errors say why, in words, to clients that agreed to
 * structured replies.
 *
 * @hot No allocation.
 */
import { type Address, address } from '../../../base/ids.js';
import { ERROR_TEXT_BYTES_MAX, patchSimpleReply } from '../../../wire/nbd/reply.js';
import { writeErrorChunk, writeErrorOffsetChunk, writeSimpleReply } from '../../../wire/nbd/reply.js';
import { assert } from '../../../base/assert.js';
import { NbdError, type NbdRequest } from '../../../wire/nbd/request.js';
import { type NbdBuffers, REPLY_AREA_BYTES } from './buffers.js';
import type { NbdCounters } from './counters.js';
import type { LateReplies } from './late-replies.js';
import { TURN_PAGES } from './turns.js';

/** A request is begun only where this is left: the longest read that is never split, 64 KiB, in chunks, and more. */
export const REQUEST_ROOM_BYTES: number = 96 * 1024;

/** A request as its reply knows it. */
export type Answered = Pick<NbdRequest, 'cookieHigh' | 'cookieLow'>;

export class Replies {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly base: Address;
  readonly structured: boolean;
  /** Where the next reply goes; whoever writes one moves it. */
  at: Address;

  readonly #counters: NbdCounters;
  readonly #late: LateReplies | undefined;
  /** Places of replies that promise something. Each request takes at least one page of a turn. */
  readonly #promises = new Uint32Array(TURN_PAGES + 1);
  #promised = 0;

  /** @param late - of those that need a sync, where there is such a thing */
  constructor(
    { memory, replyArea }: NbdBuffers,
    structured: boolean,
    counters: NbdCounters,
    late: LateReplies | undefined,
  ) {
    this.bytes = memory.bytes;
    this.view = memory.view;
    this.base = replyArea;
    this.at = replyArea;
    this.structured = structured;
    this.#counters = counters;
    this.#late = late;
  }

  /** Starts a new turn, after what there was has been sent. */
  clear(): void {
    this.at = this.base;
    this.#promised = 0;
  }

  get length(): number {
    return this.at - this.base;
  }

  get room(): number {
    return REPLY_AREA_BYTES - this.length;
  }

  succeed(request: Answered): void {
    this.at = address(writeSimpleReply(this.view, this.at, request, NbdError.none));
  }

  /** A success that {@link failPromises} may still take back. */
  promise(request: NbdRequest): void {
    if (this.#late?.concerns(request) === true) return this.#late.promise(request);
    assert(this.#promised < this.#promises.length, 'more promises in a turn than pages');
    this.#promises[this.#promised++] = this.at;
    this.succeed(request);
  }

  fail(request: Answered, error: NbdError, text: Uint8Array): void {
    this.#counters.errors++;
    this.at = address(
      this.structured
        ? writeErrorChunk(this.bytes, this.view, this.at, request, error, text)
        : writeSimpleReply(this.view, this.at, request, error),
    );
  }

  /** Ends a structured READ. @param offset - of the first byte that could not be read */
  failAt(request: NbdRequest, error: NbdError, text: Uint8Array, offset: number): void {
    this.#counters.errors++;
    this.at = address(writeErrorOffsetChunk(this.bytes, this.view, this.at, request, error, text, offset));
  }

  /** What was promised so far is stored. */
  keepPromises(): void {
    this.#promised = 0;
    this.#late?.keepPromises();
  }

  /** What was promised since was not stored. */
  failPromises(error: NbdError, text: Uint8Array): void {
    this.#late?.failPromises(this, error, text);
    for (let n = 0; n < this.#promised; n++) patchSimpleReply(this.view, this.#promises[n] ?? 0, error);
    this.#counters.errors += this.#promised;
    this.#promised = 0;
  }
}

/** Words for errors, ready to be copied. */
export const ErrorText: Readonly<
  Record<
    | 'perm'
    | 'invalid'
    | 'tooLong'
    | 'pastEnd'
    | 'full'
    | 'frozen'
    | 'fault'
    | 'unsynced'
    | 'damaged'
    | 'unread'
    | 'shutdown',
    Uint8Array
  >
> = {
  perm: encoded('export is read-only'),
  invalid: encoded('command, flag or range not valid for this export'),
  tooLong: encoded('longer than the export takes at once'),
  pastEnd: encoded('past the end of the export'),
  full: encoded('store is full'),
  frozen: encoded('guest is frozen and stores no new page: thaw it with "tmem guest thaw"'),
  fault: encoded('store cannot be written'),
  unsynced: encoded('disk of the store does not keep what is written'),
  damaged: encoded('page is damaged'),
  unread: encoded('spill file cannot be read'),
  shutdown: encoded('server is shutting down'),
};

function encoded(words: string): Uint8Array {
  const bytes = new TextEncoder().encode(words);
  assert(bytes.length <= ERROR_TEXT_BYTES_MAX, 'error text fits its chunk');
  return bytes;
}

/** Of an error that `judgeRequest` found. */
export function textOf(error: NbdError): Uint8Array {
  switch (error) {
    case NbdError.perm:
      return ErrorText.perm;
    case NbdError.noSpace:
      return ErrorText.pastEnd;
    case NbdError.overflow:
      return ErrorText.tooLong;
    case NbdError.shutdown:
      return ErrorText.shutdown;
    default:
      return ErrorText.invalid;
  }
}
