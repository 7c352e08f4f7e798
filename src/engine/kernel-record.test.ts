import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyPage } from '../../test/support/any-page.js';
import { type PageShape, syntheticPage } from '../../test/support/synthetic-page.js';
import { objectNumber, pageIndex } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import { DecodeResult } from './kernel-exports.js';
import { loadKernel } from './kernel.js';
import { decompressLz4 } from './reference/lz4.js';
import { decodeHeader, encodeHeader, type ReferenceHeader } from './reference/record.js';
import { sameFilled } from './reference/same-filled.js';
import { xxh3 } from './reference/xxh3.js';

const HEADER_BYTES = 32;
const [LZ4, RAW, FILLED, LOST, NAME, SEAL, FLUSH_PAGE] = [1, 2, 3, 4, 5, 6, 7];
const OBJECT = objectNumber(0xfffffff1);
const INDEX = pageIndex(0x80000001);
const SEQUENCE = 2 ** 53 - 1;
const GENERATION = 2 ** 40 + 5;

const kernel = loadKernel({ memoryBytes: 256 * 1024 });
const pageAt = kernel.allocate(PAGE_BYTES);
const recordAt = kernel.allocate(HEADER_BYTES + PAGE_BYTES);
const outAt = kernel.allocate(PAGE_BYTES);
const logAt = kernel.allocate(64 * 1024);

test('a page is found same-filled when it repeats its first eight bytes, and only then', () => {
  fc.assert(
    fc.property(anyPage, fc.option(fc.nat(PAGE_BYTES - 1)), (recipe, wrongAt) => {
      const page = syntheticPage(recipe);
      if (wrongAt !== null) page[wrongAt]! ^= 1;
      kernel.bytes.set(page, pageAt);
      assert.equal(kernel.sameFilled(pageAt), sameFilled(page));
    }),
  );
  const filled = syntheticPage({ shape: 'filled', seed: 1 });
  for (let at = 0; at < PAGE_BYTES; at++) {
    kernel.bytes.set(filled, pageAt);
    kernel.bytes[pageAt + at]! ^= 0x80;
    assert.equal(kernel.sameFilled(pageAt), false, `byte ${at}`);
  }
});

test('the record of a page says what the format says, and gives the page back', () => {
  fc.assert(
    fc.property(anyPage, (recipe) => {
      const page = syntheticPage(recipe);
      const payloadBytes = encode(page);
      const payload = kernel.bytes.slice(recordAt + HEADER_BYTES, recordAt + HEADER_BYTES + payloadBytes);
      const kind = sameFilled(page) ? FILLED : payloadBytes === PAGE_BYTES ? RAW : LZ4;
      const hash = kind === FILLED ? page.readBigUInt64LE() : xxh3(page, 0n);
      assert.deepEqual(headerAt(recordAt), header({ payloadBytes, kind: kind, hash }));
      if (kind === FILLED) assert.equal(payloadBytes, 0);
      if (kind === RAW) assert.ok(page.equals(payload));
      if (kind === LZ4) assert.ok(payloadBytes <= 3072 && page.equals(decompressLz4(payload, PAGE_BYTES)!));
      assert.equal(decode(payloadBytes), DecodeResult.done);
      assert.ok(page.equals(kernel.bytes.subarray(outAt, outAt + PAGE_BYTES)));
    }),
    { numRuns: 300 },
  );
});

test('the padding of a record is zero, whatever was there', () => {
  fc.assert(
    fc.property(anyPage, (recipe) => {
      kernel.bytes.fill(0xa5, recordAt, recordAt + HEADER_BYTES + PAGE_BYTES);
      const end = recordAt + HEADER_BYTES + encode(syntheticPage(recipe));
      const padding = kernel.bytes.subarray(end, Math.ceil(end / 16) * 16);
      assert.ok(padding.every((byte) => byte === 0));
    }),
  );
});

test('a record is decoded for its own page and generation alone', () => {
  const payloadBytes = encode(syntheticPage({ shape: 'text', seed: 1 }));
  const as = (object: number, index: number, generation: number): DecodeResult =>
    kernel.decodePage(recordAt, payloadBytes, outAt, objectNumber(object), pageIndex(index), generation);
  assert.equal(as(OBJECT, INDEX, GENERATION), DecodeResult.done);
  assert.equal(as(OBJECT, INDEX, GENERATION + 1), DecodeResult.badCheck);
  assert.equal(as(OBJECT, INDEX, GENERATION + 2 ** 32), DecodeResult.badCheck);
  assert.equal(as(OBJECT + 1, INDEX, GENERATION), DecodeResult.otherPage);
  assert.equal(as(OBJECT, INDEX + 1, GENERATION), DecodeResult.otherPage);
});

const shapes: readonly PageShape[] = ['text', 'pointers', 'random', 'filled'];
for (const shape of shapes) {
  test(`a wrong byte in the record of a page of shape ${shape} never gives a wrong page`, () => {
    const page = syntheticPage({ shape, seed: 9 });
    const payloadBytes = encode(page);
    for (let at = 0; at < HEADER_BYTES + payloadBytes; at++) {
      for (const wrong of [0x01, 0x40]) {
        kernel.bytes[recordAt + at]! ^= wrong;
        const result = decode(payloadBytes);
        kernel.bytes[recordAt + at]! ^= wrong;
        if (at < HEADER_BYTES) assert.equal(result, DecodeResult.badCheck, `byte ${at}`);
        // Some matches have an equal source elsewhere, so another offset may be as good.
        else if (result === DecodeResult.done) assert.ok(page.equals(kernel.bytes.subarray(outAt, outAt + PAGE_BYTES)));
        else assert.equal(result, DecodeResult.badPayload, `byte ${at}`);
      }
    }
    assert.equal(decode(payloadBytes), DecodeResult.done);
    if (payloadBytes > 0) assert.equal(decode(payloadBytes - 1), DecodeResult.badPayload, 'the payload is cut short');
  });
}

const strange: readonly [what: string, header: Partial<ReferenceHeader>, result: DecodeResult][] = [
  ['a lost page', { kind: LOST }, DecodeResult.lost],
  ['a filled page with a payload', { kind: FILLED, payloadBytes: 8 }, DecodeResult.badPayload],
  ['a raw page that is no whole page', { kind: RAW, payloadBytes: PAGE_BYTES - 1 }, DecodeResult.badPayload],
  ['a name', { kind: NAME }, DecodeResult.otherPage],
  ['a flush of the page', { kind: FLUSH_PAGE }, DecodeResult.otherPage],
  ['a tombstone that was moved', { kind: 11 }, DecodeResult.otherPage],
  ['a position', { kind: 12 }, DecodeResult.otherPage],
  ['a spill mark', { kind: 13 }, DecodeResult.otherPage],
  ['an unknown kind', { kind: 15 }, DecodeResult.badCheck],
  ['a payload longer than a page', { kind: RAW, payloadBytes: PAGE_BYTES + 1 }, DecodeResult.badCheck],
];
for (const [what, fields, result] of strange) {
  test(`the record of ${what} is not decoded as a page`, () => {
    kernel.bytes.set(encodeHeader(header(fields), BigInt(GENERATION)), recordAt);
    assert.equal(decode(PAGE_BYTES), result);
  });
}

const anyHeader = fc.record({
  kind: fc.integer({ min: 1, max: 10 }),
  payloadBytes: fc.nat(200),
  object: fc.nat(0xffffffff),
  index: fc.nat(0xffffffff),
  sequence: fc.maxSafeNat(),
  hashLow: fc.nat(0xffffffff),
  hashHigh: fc.nat(0xffffffff),
});

test('a sealed header is byte for byte the reference, and valid in its own generation alone', () => {
  fc.assert(
    fc.property(anyHeader, fc.maxSafeNat(), fc.maxSafeNat(), (fields, generation, other) => {
      kernel.sealHeader(recordAt, fields, generation);
      assert.deepEqual(
        Buffer.from(kernel.bytes.slice(recordAt, recordAt + HEADER_BYTES)),
        encodeHeader(referenceOf(fields), BigInt(generation)),
      );
      assert.equal(kernel.headerValid(recordAt, generation), true);
      assert.equal(kernel.headerValid(recordAt, other), other === generation);
    }),
  );
});

test('no header starts in zeros, nor in any bytes that happen to be there', () => {
  kernel.bytes.fill(0, recordAt, recordAt + HEADER_BYTES);
  assert.equal(kernel.headerValid(recordAt, 0), false);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: HEADER_BYTES, maxLength: HEADER_BYTES }), (bytes) => {
      kernel.bytes.set(bytes, recordAt);
      assert.equal(kernel.headerValid(recordAt, GENERATION), decodeHeader(bytes, BigInt(GENERATION)) !== undefined);
    }),
  );
});

test('a relocated record differs in sequence and generation alone', () => {
  const payloadBytes = encode(syntheticPage({ shape: 'pointers', seed: 4 }));
  const bytes = Math.ceil((HEADER_BYTES + payloadBytes) / 16) * 16;
  kernel.relocate(recordAt, logAt, bytes, 77, 78);
  const before = kernel.bytes.slice(recordAt + HEADER_BYTES, recordAt + bytes);
  assert.deepEqual(kernel.bytes.slice(logAt + HEADER_BYTES, logAt + bytes), before);
  const copy = decodeHeader(kernel.bytes.slice(logAt, logAt + HEADER_BYTES), 78n);
  assert.deepEqual(copy, { ...headerAt(recordAt), sequence: 77n });
});

test('a payload is valid when it is what was stored, for every kind', () => {
  const name = Buffer.from('pool 7, object 9');
  kernel.bytes.set(name, recordAt + HEADER_BYTES);
  const hash = xxh3(name, 0n);
  kernel.bytes.set(encodeHeader(header({ kind: NAME, payloadBytes: name.length, hash }), 1n), recordAt);
  assert.equal(kernel.payloadValid(recordAt, name.length, outAt), true);
  assert.equal(kernel.payloadValid(recordAt, name.length - 1, outAt), false);
  kernel.bytes[recordAt + HEADER_BYTES]! ^= 1;
  assert.equal(kernel.payloadValid(recordAt, name.length, outAt), false);

  const payloadBytes = encode(syntheticPage({ shape: 'text', seed: 2 }));
  assert.equal(kernel.payloadValid(recordAt, payloadBytes, outAt), true);
  kernel.bytes.fill(0, recordAt + HEADER_BYTES + 512, recordAt + HEADER_BYTES + 1024);
  assert.equal(kernel.payloadValid(recordAt, payloadBytes, outAt), false);

  for (const kind of [FILLED, LOST, SEAL, FLUSH_PAGE, 8, 9, 10]) {
    kernel.bytes.set(encodeHeader(header({ kind }), 1n), recordAt);
    assert.equal(kernel.payloadValid(recordAt, 0, outAt), true, `kind ${kind}`);
  }
});

function encode(page: Uint8Array): number {
  kernel.bytes.set(page, pageAt);
  return kernel.encodePage(pageAt, recordAt, OBJECT, INDEX, SEQUENCE, GENERATION);
}

function decode(available: number): DecodeResult {
  return kernel.decodePage(recordAt, available, outAt, OBJECT, INDEX, GENERATION);
}

function header(fields: Partial<ReferenceHeader>): ReferenceHeader {
  return { kind: LZ4, payloadBytes: 0, object: OBJECT, index: INDEX, sequence: BigInt(SEQUENCE), hash: 0n, ...fields };
}

function headerAt(at: number): ReferenceHeader | undefined {
  return decodeHeader(kernel.bytes.slice(at, at + HEADER_BYTES), BigInt(GENERATION));
}

function referenceOf(fields: typeof anyHeader extends fc.Arbitrary<infer T> ? T : never): ReferenceHeader {
  const { sequence, hashLow, hashHigh, ...same } = fields;
  return { ...same, sequence: BigInt(sequence), hash: (BigInt(hashHigh) << 32n) | BigInt(hashLow) };
}
