import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Liblz4 } from '../../bench/peers/liblz4.js';
import { PAGE_BYTES } from '../../src/base/units.js';
import { loadKernel } from '../../src/engine/kernel.js';
import { needs } from '../support/needs.js';
import { PAGE_SHAPES, syntheticPage } from '../support/synthetic-page.js';

const PAGES_A_SHAPE = 60;
const skip = needs('gcc', 'liblz4');
const options = { skip, timeout: 60_000 };

const kernel = loadKernel({ memoryBytes: 128 * 1024 });
const pageAt = kernel.allocate(PAGE_BYTES);
const blockAt = kernel.allocate(2 * PAGE_BYTES);

for (const shape of PAGE_SHAPES) {
  const pages = Array.from({ length: PAGES_A_SHAPE }, (_, seed) => syntheticPage({ shape, seed }));

  test(`liblz4 reads our blocks of ${shape} pages, and we read its`, options, async () => {
    await using liblz4 = new Liblz4();
    for (const page of pages) assert.ok((await liblz4.decode(compress(page)))?.equals(page));

    liblz4.load(Buffer.concat(pages));
    await liblz4.compress();
    const blocks = await liblz4.blocks(pages.length);
    for (const [i, block] of blocks.entries()) assert.ok(decompress(block)?.equals(pages[i]!));
  });
}

test('a damaged block means to us what it means to liblz4, where both read it', options, async () => {
  await using liblz4 = new Liblz4();
  let read = 0;
  for (const shape of PAGE_SHAPES) {
    const block = compress(syntheticPage({ shape, seed: 7 }));
    for (let at = 0; at < block.length; at += 1 + Math.floor(block.length / 150)) {
      const damaged = Buffer.from(block);
      damaged[at]! ^= 1 << (at % 8);
      const theirs = await liblz4.decode(damaged);
      const ours = decompress(damaged);
      // Each is stricter in one thing: liblz4 wants the last bytes of a page as literals, we want no offset of 0.
      if (theirs === undefined || ours === undefined) continue;
      read++;
      assert.ok(ours?.equals(theirs), `${shape}, byte ${at}`);
    }
  }
  assert.ok(read > 100, 'most damage is in literals and goes unnoticed by any decoder');
});

function compress(page: Uint8Array): Buffer {
  kernel.bytes.set(page, pageAt);
  const bytes = kernel.compress(pageAt, blockAt, 2 * PAGE_BYTES);
  assert.ok(bytes > 0);
  return Buffer.from(kernel.bytes.slice(blockAt, blockAt + bytes));
}

function decompress(block: Uint8Array): Buffer | undefined {
  kernel.bytes.set(block, blockAt);
  if (!kernel.decompress(blockAt, block.length, pageAt)) return undefined;
  return Buffer.from(kernel.bytes.slice(pageAt, pageAt + PAGE_BYTES));
}
