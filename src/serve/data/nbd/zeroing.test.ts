/** What TRIM and WRITE_ZEROES count as in a turn. What they do to pages is tested through sessions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapPageMemory } from '../../../../test/support/heap-page-memory.js';
import { MemoryFace } from '../../../../test/support/memory-face.js';
import { requestMessage } from '../../../../test/support/nbd-client.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { Command } from '../../../wire/nbd/request.js';
import { NbdBuffers } from './buffers.js';
import { newCounters } from './counters.js';
import { Transmission } from './transmission.js';
import { TURN_PAGES } from './turns.js';

const EXPORT_BYTES = 64 * PAGE_BYTES;
const buffers = new NbdBuffers(heapPageMemory());

for (const [what, command, offset, length, pages] of [
  ['zeros in part of a page count as the page that they change', Command.writeZeroes, 100, 200, 1],
  ['zeros with two edges count as a page each', Command.writeZeroes, 100, PAGE_BYTES, 2],
  ['what lies between two edges counts as well', Command.writeZeroes, 100, 2 * PAGE_BYTES, 3],
  ['zeros with one edge do not count the other', Command.writeZeroes, 0, PAGE_BYTES + 1, 2],
  ['whole pages count as little as they cost', Command.writeZeroes, 0, 8 * PAGE_BYTES, 1],
  ['so does a TRIM, whose edges are left as they are', Command.trim, 100, 8 * PAGE_BYTES, 1],
  ['a TRIM of nothing is not free', Command.trim, 100, 200, 1],
  ['nor are zeros of no bytes', Command.writeZeroes, 100, 0, 1],
] as const) {
  test(what, () => {
    assert.equal(turnOf([requestMessage(command, 1n, offset, length)]).pagesMoved, pages);
  });
}

test('a turn of unaligned zeros ends when their edges are as many as its pages', () => {
  const requests = Array.from({ length: TURN_PAGES }, (_, n) =>
    requestMessage(Command.writeZeroes, BigInt(n), 100, PAGE_BYTES),
  );
  const { replies, pagesMoved } = turnOf(requests);
  assert.equal(pagesMoved, TURN_PAGES);
  assert.equal(replies.length, (TURN_PAGES / 2) * 16);
});

/** A whole turn over these requests, on an empty export. */
function turnOf(requests: readonly Buffer[]): Transmission {
  const rules = { exportBytes: EXPORT_BYTES, readOnly: false, structuredReplies: false, hasMetaContext: false };
  const face = new MemoryFace(buffers.memory, EXPORT_BYTES);
  const transmission = new Transmission(buffers, face, rules, newCounters());
  const wire = Buffer.concat(requests);
  buffers.memory.bytes.set(wire, buffers.readArea);
  transmission.takeTurn(buffers.readArea, buffers.readArea + wire.length, TURN_PAGES);
  return transmission;
}
