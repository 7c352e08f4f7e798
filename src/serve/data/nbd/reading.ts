/**
 * READ, from the store into the reply area.
 *
 * A simple reply says "no error" before its data, a structured one can fail at any chunk. So:
 *
 *     structured        chunks as they come, runs of holes as OFFSET_HOLE, cut wherever a turn ends
 *     structured, DF    one chunk; at most 64 KiB, which is never cut; longer is refused (EOVERFLOW)
 *     simple, short     read wholly before the header is written; short is 64 KiB or what the turn allows
 *     simple, long      read twice, over turns: once to see that every page is sound, then to send it
 *
 * At a page that is away the request is given up, to be read again when the page has been fetched: wholly, or, structured
 * and long, what is left of it. Of the last, the first pass gives up where all its pages can be held at once, and passes
 * over the page where not; the second cannot: it waits.
 *
 * If a page goes bad between the two passes of the last, nothing can be said and the connection is given up. The
 * price, a second decompression, is paid only by old clients for long reads.
 *
 * @hot No allocation.
 */
import { assert } from '../../../base/assert.js';
import { type Address, address } from '../../../base/ids.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, ReadOutcome } from '../../../hooks/block-face.js';
import { DATA_CHUNK_BYTES, SIMPLE_REPLY_BYTES, writeDataChunk } from '../../../wire/nbd/reply.js';
import { writeHoleChunk, writeNoneChunk, writeSimpleReply } from '../../../wire/nbd/reply.js';
import { CommandFlag, NbdError, type NbdRequest } from '../../../wire/nbd/request.js';
import { FETCHED_BYTES_MAX } from './parked.js';
import { ErrorText, type Replies } from './replies.js';

/** Never cut, so the most that a turn can overrun its allowance by: 17 pages if unaligned, 50 us. */
const WHOLE_BYTES_MAX = 64 * 1024;

/** More pages than any read has. */
const UNCUT: number = 2 ** 30;

/** Shorter runs of holes travel as zeros, inside the data around them. */
const HOLE_BYTES_MIN: number = PAGE_BYTES;

/** To be left in the reply area for one more page, its chunk and the end of the read. */
const PAGE_ROOM_BYTES: number = PAGE_BYTES + 512;

/** Runs of holes are found by looking at each page, far faster than reading it: so many count as one. */
const HOLES_PER_PAGE = 1024;

const NO_CHUNK = -1;

/** Of {@link Reading.waitsFor}. */
export const NOTHING_AWAY = -1;

type Pass = 'structured' | 'check' | 'send';

export class Reading {
  /** Whether a request has been begun and not ended. */
  active = false;
  /** The client was promised data that cannot be had: the connection must end. */
  broken = false;
  /** The request was given up, because a page is away: what `rest` says of it is to be read again when that is there. */
  lacks = false;
  /** In the middle of data that nothing may interrupt there is a page that is away: {@link NOTHING_AWAY}, or its number. */
  waitsFor: number = NOTHING_AWAY;

  readonly #face: BlockFace;
  readonly #replies: Replies;
  #request: NbdRequest;
  #pass: Pass = 'structured';
  /** The next byte is `#start` of `#page`; `#left` of them are to come. */
  #page = 0;
  #start = 0;
  #left = 0;
  /** Where the header of the chunk that data are being added to belongs, and the offset of its first byte. */
  #chunk = NO_CHUNK;
  #chunkOffset = 0;

  constructor(face: BlockFace, replies: Replies, request: NbdRequest) {
    this.#face = face;
    this.#replies = replies;
    this.#request = request;
  }

  /** Begins the request, and ends it if it takes no more than about `pages`. @returns pages moved */
  begin(pages: number): number {
    const { length, flags } = this.#request;
    const replies = this.#replies;
    this.lacks = false;
    this.#rewind();
    if (replies.structured) {
      if (length === 0) replies.at = address(writeNoneChunk(replies.view, replies.at, this.#request));
      const whole = (flags & CommandFlag.df) !== 0;
      if (whole && length > WHOLE_BYTES_MAX) {
        replies.fail(this.#request, NbdError.overflow, ErrorText.tooLong);
        return 1;
      }
      this.#pass = 'structured';
      return this.step(length <= WHOLE_BYTES_MAX ? UNCUT : pages);
    }
    const short =
      length <= WHOLE_BYTES_MAX || (length <= (pages - 1) * PAGE_BYTES && length <= replies.room - PAGE_BYTES);
    if (short) return this.#readWhole();
    this.#pass = 'check';
    return this.step(pages);
  }

  /** Goes on. @returns pages moved */
  step(pages: number): number {
    this.active = true;
    let moved = 0;
    if (this.#pass === 'check') moved = this.#check(pages);
    else if (this.#pass === 'send') moved = this.#send(pages);
    else moved = this.#readChunks(pages);
    if (this.lacks || (this.#pass !== 'check' && this.#left === 0)) this.active = false;
    return moved;
  }

  /** Of a request that lacks something: what has not been sent. */
  get rest(): { offset: number; length: number } {
    return { offset: this.#offset, length: this.#left };
  }

  #rewind(): void {
    const { offset, length } = this.#request;
    this.#page = Math.floor(offset / PAGE_BYTES);
    this.#start = offset - this.#page * PAGE_BYTES;
    this.#left = length;
  }

  #readWhole(): number {
    const replies = this.#replies;
    const header = replies.at;
    let moved = 0;
    let to = header + SIMPLE_REPLY_BYTES;
    while (this.#left > 0) {
      const bytes = this.#partBytes();
      const outcome = this.#readPart(bytes, address(to));
      if (outcome === ReadOutcome.away) return this.#giveUp(moved + 1);
      if (isBad(outcome)) {
        replies.fail(this.#request, NbdError.io, textOf(outcome));
        return moved + 1;
      }
      if (outcome === ReadOutcome.hole) replies.bytes.fill(0, to, to + bytes);
      to += bytes;
      moved++;
      this.#advance(bytes);
    }
    writeSimpleReply(replies.view, header, this.#request, NbdError.none);
    replies.at = address(to);
    return moved;
  }

  #readChunks(pages: number): number {
    const replies = this.#replies;
    const end = replies.at + replies.room - PAGE_ROOM_BYTES;
    let moved = 0;
    let at: number = replies.at;
    this.#chunk = NO_CHUNK;
    for (; this.#left > 0 && moved < pages && at <= end; moved++) {
      const bytes = this.#partBytes();
      const to = this.#chunk === NO_CHUNK ? at + DATA_CHUNK_BYTES : at;
      const outcome = this.#readPart(bytes, address(to));
      if (outcome === ReadOutcome.away) return this.#cut(at, moved + 1);
      if (isBad(outcome)) return this.#failChunks(at, moved + 1, outcome);
      if (outcome === ReadOutcome.hole) {
        const run = this.#holeBytes(bytes);
        if (this.#worthAChunk(run)) {
          this.#endChunk(at, false);
          at = writeHoleChunk(replies.view, at, this.#request, run === this.#left, this.#offset, run);
          moved += Math.floor(run / (PAGE_BYTES * HOLES_PER_PAGE));
          this.#advance(run);
          continue;
        }
        replies.bytes.fill(0, to, to + bytes);
      }
      if (this.#chunk === NO_CHUNK) {
        this.#chunk = at;
        this.#chunkOffset = this.#offset;
      }
      at = to + bytes;
      this.#advance(bytes);
    }
    this.#endChunk(at, this.#left === 0);
    replies.at = address(at);
    return moved;
  }

  /** Puts the header before the data that end at `at`, if there are any. */
  #endChunk(at: number, done: boolean): void {
    if (this.#chunk === NO_CHUNK) return;
    const bytes = at - this.#chunk - DATA_CHUNK_BYTES;
    writeDataChunk(this.#replies.view, this.#chunk, this.#request, done, this.#chunkOffset, bytes);
    this.#chunk = NO_CHUNK;
  }

  /** Nothing of the request is sent. */
  #giveUp(moved: number): number {
    this.#rewind();
    this.lacks = true;
    return moved;
  }

  /** What comes before a page that is away is sent, unless the request is so short that it is kept together. */
  #cut(at: number, moved: number): number {
    if (this.#request.length <= WHOLE_BYTES_MAX) {
      this.#chunk = NO_CHUNK;
      return this.#giveUp(moved);
    }
    this.#endChunk(at, false);
    this.#replies.at = address(at);
    this.lacks = true;
    return moved;
  }

  #failChunks(at: number, moved: number, outcome: ReadOutcome): number {
    this.#endChunk(at, false);
    this.#replies.at = address(at);
    this.#replies.failAt(this.#request, NbdError.io, textOf(outcome), this.#offset);
    this.#left = 0;
    return moved;
  }

  /** With DF there is one chunk only, so a hole must be all of it. */
  #worthAChunk(run: number): boolean {
    const { flags, length } = this.#request;
    return run >= HOLE_BYTES_MIN && ((flags & CommandFlag.df) === 0 || run === length);
  }

  /** First pass of a long simple read: nothing is sent. */
  #check(pages: number): number {
    const replies = this.#replies;
    let moved = 0;
    for (; moved < pages && this.#left > 0; moved++) {
      const outcome = this.#face.readPage(this.#page, replies.at);
      if (outcome === ReadOutcome.away && this.#request.length <= FETCHED_BYTES_MAX) return this.#giveUp(moved + 1);
      if (isBad(outcome)) {
        replies.fail(this.#request, NbdError.io, textOf(outcome));
        this.#left = 0;
        this.active = false;
        return moved + 1;
      }
      this.#advance(this.#partBytes());
    }
    if (this.#left > 0) return moved;
    this.#rewind();
    this.#pass = 'send';
    replies.succeed(this.#request);
    return moved;
  }

  /** Second pass: data and nothing else. */
  #send(pages: number): number {
    const replies = this.#replies;
    let moved = 0;
    for (; moved < pages && this.#left > 0 && replies.room >= PAGE_ROOM_BYTES; moved++) {
      const bytes = this.#partBytes();
      const outcome = this.#readPart(bytes, replies.at);
      if (outcome === ReadOutcome.away) {
        this.waitsFor = this.#page;
        return moved;
      }
      if (isBad(outcome)) {
        this.broken = true;
        this.#left = 0;
        return moved;
      }
      if (outcome === ReadOutcome.hole) replies.bytes.fill(0, replies.at, replies.at + bytes);
      replies.at = address(replies.at + bytes);
      this.#advance(bytes);
    }
    return moved;
  }

  get #offset(): number {
    return this.#page * PAGE_BYTES + this.#start;
  }

  /** Of the present page, the bytes that were asked for. */
  #partBytes(): number {
    return Math.min(PAGE_BYTES - this.#start, this.#left);
  }

  #readPart(bytes: number, to: Address): ReadOutcome {
    return bytes === PAGE_BYTES
      ? this.#face.readPage(this.#page, to)
      : this.#face.readPart(this.#page, this.#start, bytes, to);
  }

  /** From the present position, bytes of the request that lie in holes, of which `bytes` are known. */
  #holeBytes(bytes: number): number {
    if (bytes === this.#left) return bytes;
    const end = this.#page + Math.ceil((this.#start + this.#left) / PAGE_BYTES);
    const endOfRun = this.#face.endOfRun(this.#page, end);
    assert(endOfRun > this.#page && endOfRun <= end, 'a run has at least one page, and no more than asked for');
    return Math.min((endOfRun - this.#page) * PAGE_BYTES - this.#start, this.#left);
  }

  #advance(bytes: number): void {
    this.#left -= bytes;
    const start = this.#start + bytes;
    if (start === PAGE_BYTES) {
      this.#page++;
      this.#start = 0;
    } else {
      // More than a page after a run of holes; the last bytes of a request may leave a page half read.
      this.#page += Math.floor(start / PAGE_BYTES);
      this.#start = start % PAGE_BYTES;
    }
  }
}

function isBad(outcome: ReadOutcome): boolean {
  return outcome === ReadOutcome.damaged || outcome === ReadOutcome.unread;
}

function textOf(outcome: ReadOutcome): Uint8Array {
  return outcome === ReadOutcome.unread ? ErrorText.unread : ErrorText.damaged;
}
