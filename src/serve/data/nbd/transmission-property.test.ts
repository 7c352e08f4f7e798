/**
 * Requests of every kind, cut anywhere, in turns of any size, against a model of a few lines: a buffer, and one bit a
 * page for what is stored. `TMEM_FUZZ` sets how many conversations are held, `TMEM_SEED` which.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { heapPageMemory } from '../../../../test/support/heap-page-memory.js';
import { MemoryFace } from '../../../../test/support/memory-face.js';
import { END, messageOf, Model, PAGES, ReplyReader, request, type Sent } from '../../../../test/support/nbd-model.js';
import { openSmallStore } from '../../../../test/support/small-store.js';
import { CommitOutcome } from '../../../base/commit-outcome.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { Preswap } from '../../../hooks/preswap.js';
import { HostedLayer } from '../../../layers/hosted.js';
import { PERSISTENT_PRIVATE } from '../../../tmem/pool-attributes.js';
import { NbdBuffers } from './buffers.js';
import { newCounters } from './counters.js';
import { Transmission } from './transmission.js';

const numRuns = Number(process.env['TMEM_FUZZ'] ?? 1000);
const seed = Number(process.env['TMEM_SEED'] ?? 1);
const memoryBuffers = new NbdBuffers(heapPageMemory());
const INPUT_BYTES_MAX = 128 * 1024;

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
