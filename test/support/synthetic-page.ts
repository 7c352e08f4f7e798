import { PAGE_BYTES } from '../../src/base/units.js';
import { type Prng, seededPrng } from '../../src/base/prng.js';

/**
 * Pages such as guests have, made from a seed: equal shape and seed give equal bytes, everywhere. Between them they
 * take a codec through short and long literals, matches of all lengths, and offsets below, at and above its words.
 */
export const PAGE_SHAPES = ['zero', 'filled', 'periodic', 'sparse', 'pointers', 'text', 'mixed', 'random'] as const;
export type PageShape = (typeof PAGE_SHAPES)[number];

export function syntheticPage({ shape, seed }: { shape: PageShape; seed: number }): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  FILLERS[shape](page, seededPrng(seed));
  return page;
}

const FILLERS: Readonly<Record<PageShape, (page: Buffer, prng: Prng) => void>> = {
  zero: () => undefined,

  filled: (page, prng) => page.fill(randomBytes(prng, 8)),

  /** One period over and over, of any length, with a few wrong bytes. */
  periodic(page, prng) {
    page.fill(randomBytes(prng, 1 + prng.below(40)));
    for (let wrong = prng.below(4); wrong > 0; wrong--) page[prng.below(PAGE_BYTES)] = prng.below(256);
  },

  /** Zeros with a word here and there: tables, fresh heaps. */
  sparse(page, prng) {
    for (let words = 1 + prng.below(120); words > 0; words--)
      page.writeUInt32LE(prng.below(2 ** 32), 8 * prng.below(512));
  },

  /** Eight-byte words that share their upper half: pointers and small counts. */
  pointers(page, prng) {
    const base = prng.below(2 ** 16) * 2 ** 32 + 0x7f0000000000;
    for (let at = 0; at < PAGE_BYTES; at += 8) {
      const value = prng.below(3) === 0 ? prng.below(100) : base + 16 * prng.below(2 ** 22);
      page.writeBigUInt64LE(BigInt(value), at);
    }
  },

  /** Words of a small vocabulary. */
  text(page, prng) {
    const words = Array.from({ length: 400 }, () => randomWord(prng));
    for (let at = 0; at < PAGE_BYTES;)
      at += page.write(`${words[Math.min(prng.below(400), prng.below(400))]} `, at) || 1;
  },

  /** Parts of other shapes. */
  mixed(page, prng) {
    for (let at = 0; at < PAGE_BYTES;) {
      const shape = PAGE_SHAPES[prng.below(PAGE_SHAPES.length)]!;
      const bytes = Math.min(1 + prng.below(1024), PAGE_BYTES - at);
      if (shape !== 'mixed') page.set(syntheticPage({ shape, seed: prng.below(2 ** 32) }).subarray(0, bytes), at);
      at += bytes;
    }
  },

  random: (page, prng) => page.set(randomBytes(prng, PAGE_BYTES)),
};

function randomBytes(prng: Prng, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => prng.below(256)));
}

function randomWord(prng: Prng): string {
  return Array.from(
    { length: 2 + prng.below(9) },
    () => 'etaoinshrdlucmfw'[Math.min(prng.below(16), prng.below(16))],
  ).join('');
}
