/**
 * Requests of every kind, cut anywhere, in turns of any size, against a model of a few lines: a buffer, and one bit a
 * page for what is stored. `TMEM_FUZZ` sets how many conversations are held, `TMEM_SEED` which.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { heapPageMemory } from '../../../../test/support/heap-page-memory.js';
import { MemoryFace } from '../../../../test/support/memory-face.js';
import { requestMessage } from '../../../../test/support/nbd-client.js';
import { openSmallStore } from '../../../../test/support/small-store.js';
import { CommitOutcome } from '../../../base/commit-outcome.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { Preswap } from '../../../hooks/preswap.js';
import { HostedLayer } from '../../../layers/hosted.js';
import { PERSISTENT_PRIVATE } from '../../../tmem/pool-attributes.js';
import { ExtentFlag } from '../../../wire/nbd/meta-context.js';
import { ChunkType } from '../../../wire/nbd/reply.js';
import { Command, CommandFlag, judgeRequest, NbdError, type RequestRules } from '../../../wire/nbd/request.js';
import { NbdBuffers } from './buffers.js';
import { newCounters } from './counters.js';
import { Transmission } from './transmission.js';

const numRuns = Number(process.env['TMEM_FUZZ'] ?? 1000);
const seed = Number(process.env['TMEM_SEED'] ?? 1);
const PAGES = 64;
const END = PAGES * PAGE_BYTES;
const memoryBuffers = new NbdBuffers(heapPageMemory());
const INPUT_BYTES_MAX = 128 * 1024;

interface Sent {
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
const request: fc.Arbitrary<Sent> = fc.record({
  command: fc.constantFrom(0, 0, 0, 1, 1, 1, 3, 4, 5, 6, 6, 7, 8),
  flags: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2, 4, 8, 16, 32, 18)),
  offset,
  length,
  fill: fc.integer({ min: 1, max: 255 }),
});
const conversation = fc.record({
  structured: fc.boolean(),
  readOnly: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  requests: fc.array(request, { minLength: 1, maxLength: 12 }),
  full: fc.option(fc.nat(PAGES - 1)),
  damaged: fc.option(fc.nat(PAGES - 1)),
  turns: fc.infiniteStream(fc.integer({ min: 1, max: 64 })),
  cuts: fc.infiniteStream(fc.oneof(fc.nat(100), fc.nat(9000), fc.nat(200_000))),
});

test('every request gets the answer that the model gives, however input and turns are cut', () => {
  fc.assert(
    fc.property(conversation, ({ structured, readOnly, requests, full, damaged, turns, cuts }) => {
      const buffers = memoryBuffers;
      const face = new MemoryFace(buffers.memory, END);
      const rules = { exportBytes: END, readOnly, structuredReplies: structured, hasMetaContext: structured };
      if (full !== null) face.full.add(full);
      if (damaged !== null) face.damaged.add(damaged);
      const transmission = new Transmission(buffers, face, rules, newCounters());
      answersAsTheModel(transmission, buffers, new Model(rules, full, damaged), requests, turns, cuts);
    }),
    { numRuns, seed },
  );
});

test('the same over the store itself, whose batch knows of pages and not of runs of holes', () => {
  const { kernel, tmem } = openSmallStore();
  const client = tmem.client('vm1');
  const layer = new HostedLayer(tmem, client.pools[tmem.createPool(client, 'swap0', PERSISTENT_PRIVATE)]!);
  const face = new Preswap({ sizeBytes: END, layer, memory: kernel, scratch: kernel.allocate(PAGE_BYTES) });
  const buffers = new NbdBuffers(kernel);
  fc.assert(
    fc.property(conversation, ({ structured, readOnly, requests, turns, cuts }) => {
      face.flushPages(0, PAGES);
      assert.equal(face.commit(), CommitOutcome.done);
      const rules = { exportBytes: END, readOnly, structuredReplies: structured, hasMetaContext: structured };
      const transmission = new Transmission(buffers, face, rules, newCounters());
      answersAsTheModel(transmission, buffers, new Model(rules, null, null), requests, turns, cuts);
    }),
    { numRuns, seed },
  );
});

test('whatever bytes follow one another, a turn ends, stays in its areas and takes no more than there is', () => {
  const anything = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      request.map((sent) => messageOf(sent, 0)[0]!),
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(anything, fc.infiniteStream(fc.integer({ min: 1, max: 64 })), (pieces, turns) => {
      const buffers = memoryBuffers;
      const face = new MemoryFace(buffers.memory, END);
      const rules = { exportBytes: END, readOnly: false, structuredReplies: true, hasMetaContext: true };
      const transmission = new Transmission(buffers, face, rules, newCounters());
      converse(transmission, buffers, Buffer.concat(pieces), turns, turns);
    }),
    { numRuns, seed },
  );
});

function messageOf({ command, flags, offset: at, length: bytes, fill }: Sent, n: number): Buffer[] {
  const header = requestMessage(command, BigInt(n), at, bytes, flags);
  return command === Command.write ? [header, Buffer.alloc(bytes, fill)] : [header];
}

function answersAsTheModel(
  transmission: Transmission,
  buffers: NbdBuffers,
  model: Model,
  requests: readonly Sent[],
  turns: Iterator<number>,
  cuts: Iterator<number>,
): void {
  const wire = Buffer.concat(requests.flatMap((sent, n) => messageOf(sent, n)));
  const replies = new ReplyReader(converse(transmission, buffers, wire, turns, cuts));
  for (const [n, sent] of requests.entries()) model.check(sent, replies, BigInt(n));
  assert.equal(replies.left, 0);
  assert.equal(transmission.state, 'open');
}

/** Shows all of `wire` in pieces, and gives turns until nothing more happens. @returns what was replied */
function converse(
  transmission: Transmission,
  buffers: NbdBuffers,
  wire: Buffer,
  turns: Iterator<number>,
  cuts: Iterator<number>,
): Buffer {
  const { bytes } = buffers.memory;
  const { readArea, replyArea } = buffers;
  const said: Buffer[] = [];
  let taken = 0;
  let shown = 0;
  while (transmission.state === 'open') {
    if (transmission.starved) {
      if (shown === wire.length) break;
      shown = Math.min(wire.length, shown + 1 + (cuts.next().value ?? 0));
    }
    const upTo = Math.min(shown, taken + INPUT_BYTES_MAX);
    const piece = wire.subarray(taken, upTo);
    bytes.set(piece, readArea);
    const pages: number = turns.next().value ?? 1;
    const next = transmission.takeTurn(readArea, readArea + piece.length, pages);
    assert.ok(next >= readArea && next <= readArea + piece.length, 'takes what there is');
    assert.ok(transmission.pagesMoved <= pages + 40, 'a turn is bounded');
    assert.ok(transmission.replies.room >= 0, 'replies fit their area');
    taken += next - readArea;
    if (upTo < shown) transmission.starved = false;
    said.push(Buffer.from(bytes.subarray(replyArea, replyArea + transmission.replies.length)));
    transmission.replies.clear();
  }
  return Buffer.concat(said);
}

class Model {
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
        return this.#each(parts(at, bytes), (part) => this.#data.fill(fill, part.from, part.to), true);
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

interface Part {
  page: number;
  from: number;
  to: number;
  whole: boolean;
}

function parts(offsetBytes: number, bytes: number): Part[] {
  const all: Part[] = [];
  for (let from = offsetBytes; from < offsetBytes + bytes;) {
    const page = Math.floor(from / PAGE_BYTES);
    const to = Math.min((page + 1) * PAGE_BYTES, offsetBytes + bytes);
    all.push({ page, from, to, whole: to - from === PAGE_BYTES });
    from = to;
  }
  return all;
}

/** Replies come in the order of the requests. */
class ReplyReader {
  readonly #wire: Buffer;
  #at = 0;

  constructor(wire: Buffer) {
    this.#wire = wire;
  }

  get left(): number {
    return this.#wire.length - this.#at;
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
