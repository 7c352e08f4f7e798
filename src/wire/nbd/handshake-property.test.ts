/** The handshake under what no client would say. `TMEM_FUZZ` sets how many inputs each property is shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { infoQuery, metaQuery, optionMessage, u32 } from '../../../test/support/nbd-client.js';
import { type ExportCatalogue, Handshake, OPTIONS_MAX } from './handshake.js';

const numRuns = Number(process.env['TMEM_FUZZ'] ?? 2000);
const seed = Number(process.env['TMEM_SEED'] ?? 1);
const description = { name: 'vm1/swap0', description: '', sizeBytes: 4096, readOnly: false };
const catalogue: ExportCatalogue = {
  shuttingDown: false,
  list: () => [description],
  find: (name) => (name === '' || name === description.name ? description : undefined),
};

const name = fc.constantFrom('', 'vm1/swap0', 'other');
const optionData = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(name, fc.array(fc.nat(5), { maxLength: 3 })).map(([of, infos]) => infoQuery(of, infos)),
  fc
    .tuple(name, fc.array(fc.constantFrom('base:', 'base:allocation', 'x:y', ''), { maxLength: 4 }))
    .map(([of, queries]) => metaQuery(of, queries)),
);
const option = fc
  .tuple(fc.nat(12), optionData, fc.option(fc.tuple(fc.nat(40), fc.nat(255))))
  .map(([number, data, damage]) => {
    const message = optionMessage(number, data);
    // Most damage hits magic, number or length.
    if (damage !== null && damage[0] < message.length) message[damage[0]] = damage[1];
    return message;
  });
const conversation = fc
  .tuple(fc.constantFrom(3, 3, 3, 1, 0, 7), fc.array(option, { maxLength: 40 }))
  .map(([flags, options]) => Buffer.concat([u32(flags), ...options]));

test('however the bytes are cut, the answers and the outcome are the same', () => {
  fc.assert(
    fc.property(conversation, fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (wire, sizes) => {
      const whole = run([wire]);
      assert.deepEqual(run(cut(wire, sizes)), whole);
    }),
    { numRuns, seed },
  );
});

test('what is said stays within a string and a header per option', () => {
  fc.assert(
    fc.property(conversation, (wire) => {
      assert.ok(run([wire]).said.length <= 18 + (OPTIONS_MAX + 1) * 5000);
    }),
    { numRuns, seed },
  );
});

test('bytes without any meaning never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (wire) => {
      run([wire]);
    }),
    { numRuns, seed },
  );
});

function run(pieces: readonly Uint8Array[]): { state: string; taken: number; said: Buffer } {
  const handshake = new Handshake(catalogue);
  let taken = 0;
  for (const piece of pieces) taken += handshake.receive(piece, 0, piece.length);
  return { state: handshake.state, taken, said: Buffer.from(handshake.takeOutput()) };
}

function cut(wire: Buffer, sizes: Iterator<number>): Buffer[] {
  const pieces = [];
  for (let at = 0; at < wire.length;) {
    const size: number = sizes.next().value ?? 1;
    pieces.push(wire.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
