import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Address, address, objectNumber, pageIndex } from '../src/base/ids.js';
import { PAGE_BYTES } from '../src/base/units.js';
import { type Kernel, loadKernel } from '../src/engine/kernel.js';
import { type Bench, type BenchRun, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { Liblz4, type Pass } from './peers/liblz4.js';

/**
 * The kernel's codec and hash against liblz4 (`LZ4_compress_fast` with acceleration 1, `LZ4_decompress_safe`) and
 * SHA-1 of node:crypto, over the whole corpus, a pass of one after a pass of the other. A ratio is the median of the
 * ratios of neighbouring passes: what disturbs the machine disturbs both.
 */
export const codecBench: Bench = {
  name: 'codec',
  question: 'How fast is the kernel beside liblz4 and SHA-1, and how well does it compress?',
  needs: ['gcc', 'liblz4'],
  floors: {
    'compress time, liblz4 = 1': { atMost: 1.2, stretch: 1.05 },
    'decompress time, liblz4 = 1': { atMost: 1.15, stretch: 1 },
    'compression ratio, liblz4 = 1': { atLeast: 0.97, stretch: 0.99 },
    'hash speed, sha1 = 1': { atLeast: 10, stretch: 14 },
    // Of the corpus, that is: figures on pages that compress better or worse say something else.
    'compression ratio of liblz4': { atLeast: 2.15, atMost: 2.3 },
  },
  run,
};

/** Passes of each contender that count, after some that warm up. */
const SLICES: Readonly<Record<Scale, number>> = { full: 31, quick: 15 };
const WARM_UP_SLICES = 4;
/** Room for any block of a page, kept a multiple of 64. */
const BLOCK_ROOM_BYTES = 4224;

async function run(scale: Scale): Promise<BenchRun> {
  const corpus = readFileSync(corpusFile());
  const codec = new OurCodec(corpus);
  await using liblz4 = new Liblz4();
  liblz4.load(corpus);

  const samples: Sample[] = [];
  let ratios = { ours: 0, theirs: 0 };
  for (let slice = -WARM_UP_SLICES; slice < SLICES[scale]; slice++) {
    const theirCompress = await liblz4.compress();
    const ourCompress = codec.compress();
    const theirDecompress = await liblz4.decompress();
    const ourDecompress = codec.decompress();
    const sha1 = timed(() => codec.sha1());
    const xxh3 = timed(() => codec.xxh3());
    const put = timed(() => codec.encodePages());
    const get = timed(() => codec.decodePages());
    ratios = { ours: corpus.length / ourCompress.sum, theirs: corpus.length / theirCompress.sum };
    if (slice >= 0) samples.push({ theirCompress, ourCompress, theirDecompress, ourDecompress, sha1, xxh3, put, get });
  }

  const ratio = (of: keyof Sample, to: keyof Sample): number =>
    median(samples.map((each) => each[of].ns / each[to].ns));
  const us = (of: keyof Sample): number => median(samples.map((each) => each[of].ns)) / 1000 / codec.pages;
  return {
    setting: [`${codec.pages} pages of 4 KiB, medians of ${samples.length} alternating passes`],
    figures: [
      { name: 'compress time, liblz4 = 1', value: ratio('ourCompress', 'theirCompress'), unit: 'x' },
      { name: 'decompress time, liblz4 = 1', value: ratio('ourDecompress', 'theirDecompress'), unit: 'x' },
      { name: 'compression ratio, liblz4 = 1', value: ratios.ours / ratios.theirs, unit: 'x' },
      { name: 'hash speed, sha1 = 1', value: ratio('sha1', 'xxh3'), unit: 'x' },
      { name: 'compression ratio of liblz4', value: ratios.theirs, unit: 'x' },
      { name: 'compression ratio of ours', value: ratios.ours, unit: 'x' },
      { name: 'compress a page, liblz4', value: us('theirCompress'), unit: 'us' },
      { name: 'compress a page, ours', value: us('ourCompress'), unit: 'us' },
      { name: 'decompress a page, liblz4', value: us('theirDecompress'), unit: 'us' },
      { name: 'decompress a page, ours', value: us('ourDecompress'), unit: 'us' },
      { name: 'XXH3-64 of a page', value: us('xxh3'), unit: 'us' },
      { name: 'page to record', value: us('put'), unit: 'us' },
      { name: 'record to page', value: us('get'), unit: 'us' },
    ],
  };
}

interface Sample {
  readonly theirCompress: Pass;
  readonly ourCompress: Pass;
  readonly theirDecompress: Pass;
  readonly ourDecompress: Pass;
  readonly sha1: Pass;
  readonly xxh3: Pass;
  readonly put: Pass;
  readonly get: Pass;
}

class OurCodec {
  readonly pages: number;
  readonly #kernel: Kernel;
  readonly #corpus: Address;
  readonly #blocks: Address;
  readonly #page: Address;
  readonly #blockBytes: Int32Array;

  constructor(corpus: Uint8Array) {
    this.pages = corpus.length / PAGE_BYTES;
    this.#kernel = loadKernel({ memoryBytes: 2 ** 20 + this.pages * (PAGE_BYTES + BLOCK_ROOM_BYTES) });
    this.#corpus = this.#kernel.allocate(corpus.length);
    this.#blocks = this.#kernel.allocate(this.pages * BLOCK_ROOM_BYTES);
    this.#page = this.#kernel.allocate(PAGE_BYTES);
    this.#blockBytes = new Int32Array(this.pages);
    this.#kernel.bytes.set(corpus, this.#corpus);
  }

  compress(): Pass {
    return timed(() => {
      let sum = 0;
      for (let i = 0; i < this.pages; i++) {
        const bytes = this.#kernel.compress(this.#pageAt(i), this.#blockAt(i), BLOCK_ROOM_BYTES);
        this.#blockBytes[i] = bytes;
        sum += bytes;
      }
      return sum;
    });
  }

  decompress(): Pass {
    const pass = timed(() => {
      let done = 0;
      for (let i = 0; i < this.pages; i++)
        if (this.#kernel.decompress(this.#blockAt(i), this.#blockBytes[i]!, this.#page)) done++;
      return done;
    });
    if (pass.sum !== this.pages) throw new Error('a page did not come back');
    return pass;
  }

  xxh3(): number {
    let sum = 0;
    for (let i = 0; i < this.pages; i++) sum += this.#kernel.xxh3(this.#pageAt(i), PAGE_BYTES, 0);
    return sum;
  }

  sha1(): number {
    for (let i = 0; i < this.pages; i++) {
      const at = this.#pageAt(i);
      createHash('sha1')
        .update(this.#kernel.bytes.subarray(at, at + PAGE_BYTES))
        .digest();
    }
    return this.pages;
  }

  encodePages(): number {
    for (let i = 0; i < this.pages; i++)
      this.#blockBytes[i] = this.#kernel.encodePage(this.#pageAt(i), this.#blockAt(i), OBJECT, pageIndex(i), i, 1);
    return this.pages;
  }

  decodePages(): number {
    let failed = 0;
    for (let i = 0; i < this.pages; i++) {
      const available = this.#blockBytes[i]!;
      failed += this.#kernel.decodePage(this.#blockAt(i), available, this.#page, OBJECT, pageIndex(i), 1);
    }
    if (failed > 0) throw new Error('a record was not decoded');
    return this.pages;
  }

  #pageAt(i: number): Address {
    return address(this.#corpus + i * PAGE_BYTES);
  }

  #blockAt(i: number): Address {
    return address(this.#blocks + i * BLOCK_ROOM_BYTES);
  }
}

const OBJECT = objectNumber(1);

function timed(pass: () => number): Pass {
  const start = performance.now();
  const sum = pass();
  return { ns: (performance.now() - start) * 1e6, sum };
}
