import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyPage } from '../../test/support/any-page.js';
import { PAGE_SHAPES, syntheticPage } from '../../test/support/synthetic-page.js';
import { address } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import { loadKernel } from './kernel.js';
import { compressLz4, decompressLz4 } from './reference/lz4.js';

/** What a block of a page takes at most, by the format. */
const BLOCK_BYTES_MAX = PAGE_BYTES + Math.floor(PAGE_BYTES / 255) + 16;
const SLACK_BYTES = 64;
const CANARY = Buffer.alloc(256, 0xa5);

const kernel = loadKernel({ memoryBytes: 128 * 1024 });
const pageAt = kernel.allocate(PAGE_BYTES);
const blockAt = kernel.allocate(BLOCK_BYTES_MAX + CANARY.length);
kernel.allocate(CANARY.length);
const outAt = kernel.allocate(PAGE_BYTES + CANARY.length);

test('a page comes back from its block, through this decoder and the reference', () => {
  fc.assert(
    fc.property(anyPage, (recipe) => {
      const page = syntheticPage(recipe);
      const block = compress(page);
      assertSame(decompressLz4(block, PAGE_BYTES), page);
      assertSame(decompress(block), page);
    }),
    { numRuns: 400 },
  );
});

test('blocks with matches that our search never finds are decoded as well', () => {
  const picks = [
    fc.integer({ min: 1, max: 24 }).map((most) => (offset: number) => offset <= most),
    fc.integer({ min: 2, max: 2000 }).map((least) => (offset: number) => offset >= least),
    fc.integer({ min: 2, max: 17 }).map((multiple) => (offset: number) => offset % multiple === 0),
  ];
  fc.assert(
    fc.property(anyPage, fc.oneof(...picks), (recipe, pick) => {
      const page = syntheticPage(recipe);
      assertSame(decompress(compressLz4(page, pick)), page);
    }),
    { numRuns: 60 },
  );
});

test('a match of every short offset and every length repeats what it is still writing', () => {
  for (let offset = 1; offset <= 40; offset++) {
    for (let length = 4; length <= 64; length++) {
      const block = blockOf(offset, length);
      assertSame(decompress(block), decompressLz4(block, PAGE_BYTES), `offset ${offset}, length ${length}`);
    }
  }
});

test('a block is never longer than its limit, and nothing behind the slack of the limit is written', () => {
  fc.assert(
    fc.property(anyPage, fc.integer({ min: 0, max: BLOCK_BYTES_MAX }), (recipe, limit) => {
      const page = syntheticPage(recipe);
      kernel.bytes.set(page, pageAt);
      kernel.bytes.set(CANARY, blockAt + limit + SLACK_BYTES);
      const bytes = kernel.compress(pageAt, blockAt, limit);
      assertCanary(blockAt + limit + SLACK_BYTES);
      assert.ok(bytes <= limit);
      if (bytes > 0) assertSame(decompress(kernel.bytes.slice(blockAt, blockAt + bytes)), page);
    }),
    { numRuns: 400 },
  );
});

test('a block that is cut short anywhere is refused', () => {
  for (const shape of PAGE_SHAPES) {
    const block = compress(syntheticPage({ shape, seed: 3 }));
    for (let bytes = 0; bytes < block.length; bytes++) {
      assertSame(decompress(block.subarray(0, bytes)), undefined, `${shape}, ${bytes} of ${block.length}`);
    }
  }
});

test('a block with more behind it is refused', () => {
  fc.assert(
    fc.property(anyPage, fc.uint8Array({ minLength: 1, maxLength: 20 }), (recipe, more) => {
      assertSame(decompress(Buffer.concat([compress(syntheticPage(recipe)), more])), undefined);
    }),
  );
});

test('every wrong byte in a block means to us what it means to the reference', () => {
  for (const shape of PAGE_SHAPES) {
    const block = compress(syntheticPage({ shape, seed: 5 }));
    const step = Math.ceil(block.length / 300);
    for (let at = 0; at < block.length; at += step) {
      for (const wrong of [1, 0x10, 0x80, 0xff]) {
        const damaged = block.slice();
        damaged[at]! ^= wrong;
        assertSame(decompress(damaged), decompressLz4(damaged, PAGE_BYTES), `${shape}, byte ${at} ^ ${wrong}`);
      }
    }
  }
});

test('any bytes at all mean to us what they mean to the reference', () => {
  const telling = fc.constantFrom(0x00, 0x01, 0x02, 0x07, 0x08, 0x0f, 0x10, 0x1f, 0x40, 0xf0, 0xff);
  const bytes = fc.array(fc.oneof(telling, fc.nat(255)), { maxLength: 200 });
  fc.assert(
    fc.property(bytes, (block) => {
      assertSame(decompress(Uint8Array.from(block)), decompressLz4(Uint8Array.from(block), PAGE_BYTES));
    }),
    { numRuns: 3000 },
  );
});

test('a block longer than any page has is refused unread', () => {
  for (const bytes of [0, BLOCK_BYTES_MAX + 1, 0x7fffffff, 0xffffffff])
    assert.equal(kernel.decompress(pageAt, bytes, outAt), false);
});

function compress(page: Uint8Array): Uint8Array {
  kernel.bytes.set(page, pageAt);
  const bytes = kernel.compress(pageAt, blockAt, BLOCK_BYTES_MAX);
  assert.ok(bytes > 0);
  return kernel.bytes.slice(blockAt, blockAt + bytes);
}

/**
 * The page, or undefined where refused; either way nothing but the page and its slack may change. The block ends with
 * its slack at the very end of the memory, so that reading on from there would trap.
 */
function decompress(block: Uint8Array): Uint8Array | undefined {
  const from = address(kernel.bytes.length - SLACK_BYTES - block.length);
  kernel.bytes.set(block, from);
  const canaries = [outAt - CANARY.length, outAt + PAGE_BYTES + SLACK_BYTES, from - CANARY.length];
  for (const at of canaries) kernel.bytes.set(CANARY, at);
  const done = kernel.decompress(from, block.length, outAt);
  for (const at of canaries) assertCanary(at);
  assertSame(kernel.bytes.subarray(from, from + block.length), block, 'the block is only read');
  return done ? kernel.bytes.slice(outAt, outAt + PAGE_BYTES) : undefined;
}

function assertCanary(at: number): void {
  assertSame(kernel.bytes.subarray(at, at + CANARY.length), CANARY, 'only the slack is overwritten');
}

function assertSame(got: Uint8Array | undefined, expected: Uint8Array | undefined, what?: string): void {
  const same = got === undefined || expected === undefined ? got === expected : Buffer.compare(got, expected) === 0;
  // The usual message of two different pages would be thousands of lines.
  if (!same) assert.fail(`${what ?? 'a page'}: got ${hex(got)}, expected ${hex(expected)}`);
}

function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'a refusal' : `${Buffer.from(bytes.subarray(0, 64)).toString('hex')}...`;
}

/** 40 literals, one match, and the rest of the page as literals. */
function blockOf(offset: number, length: number): Uint8Array {
  const literals = Array.from({ length: 40 }, (_, i) => 3 * i + 1);
  const rest = Array.from({ length: PAGE_BYTES - 40 - length }, (_, i) => (i * 7) & 255);
  const match = length < 19 ? [] : [length - 19];
  const restCount = [...Array<number>(Math.floor((rest.length - 15) / 255)).fill(255), (rest.length - 15) % 255];
  return Uint8Array.from([
    0xf0 | Math.min(length - 4, 15),
    40 - 15,
    ...literals,
    offset,
    0,
    ...match,
    0xf0,
    ...restCount,
    ...rest,
  ]);
}
