/** What an export of 64 pages answers, in a few lines: a buffer, and one bit a page for what is stored. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { PAGE_BYTES } from '../../src/base/units.js';
import { ExtentFlag } from '../../src/wire/nbd/meta-context.js';
import { ChunkType } from '../../src/wire/nbd/reply.js';
import { Command, CommandFlag, judgeRequest, NbdError, type RequestRules } from '../../src/wire/nbd/request.js';
import { requestMessage } from './nbd-client.js';

export const PAGES = 64;
export const END: number = PAGES * PAGE_BYTES;

/** What requests write is a piece of this, so that no two bytes of a page are taken for each other. */
const PATTERN: Buffer = Buffer.from(
  Uint32Array.from({ length: END / 4 + 4096 }, (_, n) => Math.imul(n + 1, 0x9e3779b1)).buffer,
);

/** A request of a client. `fill` is where in the pattern that which it writes begins. */
export interface Sent {
  command: number;
  flags: number;
  offset: number;
  length: number;
  fill: number;
}

const edge = fc.integer({ min: 0, max: 2 * PAGES }).map((half) => (half * PAGE_BYTES) / 2);
const offset = fc.oneof({ weight: 4, arbitrary: fc.nat(END) }, { weight: 6, arbitrary: edge }, fc.constant(2 ** 60));
const length = fc.oneof(
  fc.constantFrom(0, 1, 511, 4095, 4096, 4097, 8192),
  fc.nat(9000),
  fc.constantFrom(65536, 65537, 81920),
  fc.nat(END),
);
/** Of every kind, sound or not. */
export const request: fc.Arbitrary<Sent> = fc.record({
  command: fc.constantFrom(0, 0, 0, 1, 1, 1, 3, 4, 5, 6, 6, 7, 8),
  flags: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2, 4, 8, 16, 32, 18)),
  offset,
  length,
  fill: fc.integer({ min: 1, max: 255 }),
});

/** As it goes over the wire, its payload apart. */
export function messageOf({ command, flags, offset: at, length: bytes, fill }: Sent, n: number): Buffer[] {
  const header = requestMessage(command, BigInt(n), at, bytes, flags);
  return command === Command.write ? [header, payloadOf(fill, bytes)] : [header];
}

function payloadOf(fill: number, bytes: number): Buffer {
  return PATTERN.subarray(fill * 37, fill * 37 + bytes);
}

export class Model {
  readonly #data = Buffer.alloc(END);
  readonly #stored = Array<boolean>(PAGES).fill(false);
  readonly #rules: RequestRules;
  readonly #full: number | null;
  #damaged: number | null;

  constructor(rules: RequestRules, full: number | null, damaged: number | null) {
    this.#rules = rules;
    this.#full = full;
    this.#damaged = damaged;
    if (damaged !== null) this.#stored[damaged] = true;
  }

  check(sent: Sent, replies: ReplyReader, cookie: bigint): void {
    const { command, length: bytes } = sent;
    const error = this.#carryOut(sent);
    if (command === Command.read) {
      const { error: found, data } = replies.read(cookie, sent, this.#rules.structuredReplies);
      assert.equal(found, error);
      const at = sent.offset;
      if (error === NbdError.none) assert.ok(data.equals(this.#data.subarray(at, at + bytes)), 'data as written');
    } else if (command === Command.blockStatus && error === NbdError.none) {
      for (const { at, flags } of replies.status(cookie, sent)) {
        assert.equal(
          flags,
          this.#stored[Math.floor(at / PAGE_BYTES)] ? ExtentFlag.data : ExtentFlag.hole | ExtentFlag.zero,
        );
      }
    } else {
      assert.equal(replies.plain(cookie), error);
    }
  }

  #carryOut(sent: Sent): NbdError {
    const { command, offset: at, length: bytes, flags, fill } = sent;
    if (command === Command.blockStatus && bytes === 0) return NbdError.inval;
    const verdict = judgeRequest({ ...sent, cookieHigh: 0, cookieLow: 0 }, this.#rules);
    if (verdict !== NbdError.none) return verdict;
    switch (command) {
      case Command.read:
        if ((flags & CommandFlag.df) !== 0 && bytes > 65536) return NbdError.overflow;
        return parts(at, bytes).some(({ page }) => page === this.#damaged) ? NbdError.io : NbdError.none;
      case Command.write:
        return this.#each(
          parts(at, bytes),
          ({ from, to }) => this.#data.set(payloadOf(fill, bytes).subarray(from - at, to - at), from),
          true,
        );
      case Command.writeZeroes:
        return this.#zero(at, bytes);
      case Command.trim:
        for (const { page, whole } of parts(at, bytes)) if (whole) this.#flush(page);
        return NbdError.none;
      default:
        return NbdError.none;
    }
  }

  #zero(at: number, bytes: number): NbdError {
    const all = parts(at, bytes);
    const fill = (part: Part): Buffer => this.#data.fill(0, part.from, part.to);
    // The first edge, what is whole, the last edge: in this order, and no further than the first refusal.
    const head = this.#each(
      all.filter(({ whole }, n) => !whole && n === 0),
      fill,
      false,
    );
    if (head !== NbdError.none) return head;
    for (const { page, whole } of all) if (whole) this.#flush(page);
    return this.#each(
      all.filter(({ whole }, n) => !whole && n > 0),
      fill,
      false,
    );
  }

  #each(all: readonly Part[], apply: (part: Part) => void, stores: boolean): NbdError {
    for (const part of all) {
      if (part.page === this.#full) return NbdError.noSpace;
      if (part.whole && part.page === this.#damaged) this.#damaged = null;
      if (part.page === this.#damaged) return NbdError.io;
      apply(part);
      if (stores) this.#stored[part.page] = true;
    }
    return NbdError.none;
  }

  #flush(page: number): void {
    if (page === this.#damaged) this.#damaged = null;
    this.#stored[page] = false;
    this.#data.fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  }
}

export interface Part {
  page: number;
  from: number;
  to: number;
  whole: boolean;
}

export function parts(offsetBytes: number, bytes: number): Part[] {
  const all: Part[] = [];
  for (let from = offsetBytes; from < offsetBytes + bytes;) {
    const page = Math.floor(from / PAGE_BYTES);
    const to = Math.min((page + 1) * PAGE_BYTES, offsetBytes + bytes);
    all.push({ page, from, to, whole: to - from === PAGE_BYTES });
    from = to;
  }
  return all;
}

/**
 * Replies in any order, those to one request together, by its place among `requests`.
 *
 * @throws AssertionError where the bytes are no replies to these
 */
export function sortReplies(wire: Buffer, requests: readonly Sent[], structured: boolean): Buffer[] {
  const sorted = requests.map((): Buffer[] => []);
  for (let at = 0; at < wire.length;) {
    const isSimple = wire.readUInt32BE(at) === 0x67446698;
    const cookie = Number(wire.readBigUInt64BE(at + 8));
    const sent = requests[cookie];
    assert.ok(sent !== undefined, 'a reply is to a request');
    const hasData = sent.command === Command.read && wire.readUInt32BE(at + 4) === 0 && !structured;
    const bytes = isSimple ? 16 + (hasData ? sent.length : 0) : 20 + wire.readUInt32BE(at + 16);
    sorted[cookie]!.push(wire.subarray(at, at + bytes));
    at += bytes;
  }
  return sorted.map((pieces) => Buffer.concat(pieces));
}

/** Replies in the order of their requests. */
export class ReplyReader {
  readonly #wire: Buffer;
  #at = 0;

  constructor(wire: Buffer) {
    this.#wire = wire;
  }

  get left(): number {
    return this.#wire.length - this.#at;
  }

  /** Whether the next reply says that something is wrong. */
  get isError(): boolean {
    if (this.#wire.readUInt32BE(this.#at) === 0x67446698) return this.#wire.readUInt32BE(this.#at + 4) !== 0;
    return this.#wire.readUInt16BE(this.#at + 6) >= 0x8000;
  }

  plain(cookie: bigint): number {
    return this.#wire.readUInt32BE(this.#at) === 0x67446698 ? this.#simple(cookie) : this.#error(this.#chunk(cookie));
  }

  read(
    cookie: bigint,
    { offset: from, length: bytes, flags }: Sent,
    structured: boolean,
  ): { error: number; data: Buffer } {
    if (!structured) {
      const error = this.#simple(cookie);
      return { error, data: error === 0 ? this.#take(bytes) : Buffer.alloc(0) };
    }
    const data = Buffer.alloc(Math.min(bytes, END));
    let covered = 0;
    let chunks = 0;
    for (;;) {
      const chunk = this.#chunk(cookie);
      const { type, payload, done } = chunk;
      if (type >= 0x8000) return { error: this.#error(chunk), data };
      if (type === ChunkType.none) assert.equal(bytes, 0);
      else {
        assert.equal(payload.readBigUInt64BE(0), BigInt(from + covered));
        if (type === ChunkType.offsetData) payload.copy(data, covered, 8);
        covered += type === ChunkType.offsetData ? payload.length - 8 : payload.readUInt32BE(8);
        chunks++;
      }
      if (!done) continue;
      assert.equal(covered, bytes);
      assert.ok((flags & CommandFlag.df) === 0 || chunks <= 1);
      return { error: 0, data };
    }
  }

  /** The page at which each extent begins, and those of all pages inside it. */
  status(cookie: bigint, { offset: from, length: bytes, flags }: Sent): { at: number; flags: number }[] {
    const { type, payload, done } = this.#chunk(cookie);
    assert.equal(type, ChunkType.blockStatus);
    assert.ok(done && payload.length >= 12);
    if ((flags & CommandFlag.reqOne) !== 0) assert.equal(payload.length, 12);
    const found = [];
    let at = from;
    for (let n = 4; n < payload.length; n += 8) {
      const end = at + payload.readUInt32BE(n);
      assert.ok(end > at && end <= from + bytes);
      for (const { from: each } of parts(at, end - at)) found.push({ at: each, flags: payload.readUInt32BE(n + 4) });
      at = end;
    }
    if ((flags & CommandFlag.reqOne) === 0) assert.equal(at, from + bytes);
    return found;
  }

  #simple(cookie: bigint): number {
    const header = this.#take(16);
    assert.equal(header.readUInt32BE(0), 0x67446698);
    assert.equal(header.readBigUInt64BE(8), cookie);
    return header.readUInt32BE(4);
  }

  #chunk(cookie: bigint): { type: number; done: boolean; payload: Buffer } {
    const header = this.#take(20);
    assert.equal(header.readUInt32BE(0), 0x668e33ef);
    assert.equal(header.readBigUInt64BE(8), cookie);
    return {
      type: header.readUInt16BE(6),
      done: header.readUInt16BE(4) === 1,
      payload: this.#take(header.readUInt32BE(16)),
    };
  }

  #error({ type, done, payload }: { type: number; done: boolean; payload: Buffer }): number {
    assert.ok(done && (type === ChunkType.error || type === ChunkType.errorOffset));
    return payload.readUInt32BE(0);
  }

  #take(bytes: number): Buffer {
    assert.ok(bytes <= this.left, 'the reply is all there');
    this.#at += bytes;
    return this.#wire.subarray(this.#at - bytes, this.#at);
  }
}
