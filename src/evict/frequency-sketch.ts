/**
 * Roughly how often pages were asked for lately, whether they are here or not: a count-min sketch of 4-bit counters
 * (Cormode and Muthukrishnan 2005), aged by halving, as TinyLFU has it (Einziger, Friedman and Manes 2017). A page has
 * four counters in one block of 64 bytes, one cache line; only the least of them go up, which keeps estimates of rare
 * pages low. 8 bytes a page.
 *
 * Counters are halved a word at a time as gets come in, all of them once in a sample, and blocks are added one at a
 * time (linear hashing), so neither ever stops the store. A new block begins as a copy: pages may then be estimated
 * too high until they are halved, never too low.
 *
 * @hot Written once per get: no allocation but of chunks.
 */
import { mixed } from './mix.js';

/** What the order asks of it. */
export interface FrequencyEstimate {
  readonly bytes: number;
  /** So many pages are held: room and sample follow. */
  reach(pages: number): void;
  record(key: number): void;
  /** 0 to 15. */
  estimate(key: number): number;
}

const BLOCK_WORDS = 16;
const BLOCK_SHIFT = 4;
const ROWS = 4;
const COUNTER_MAX = 15;
/** 128 counters: 16 a page. */
const PAGES_PER_BLOCK = 8;
const BLOCKS_PER_CHUNK_SHIFT = 8;
const BLOCKS_PER_CHUNK = 1 << BLOCKS_PER_CHUNK_SHIFT;

export class FrequencySketch implements FrequencyEstimate {
  readonly #samplePerPage: number;
  readonly #chunks: Uint32Array[] = [new Uint32Array(BLOCK_WORDS)];
  #blocks = 1;
  #level = 1;
  #sample: number;
  /** The word that is halved next, and how much of its turn has come. */
  #hand = 0;
  #credit = 0;

  /** All counters are halved once in `samplePerPage` gets for each page held. */
  constructor(samplePerPage: number) {
    this.#samplePerPage = samplePerPage;
    this.#sample = samplePerPage * PAGES_PER_BLOCK;
  }

  get bytes(): number {
    return this.#chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  reach(pages: number): void {
    this.#sample = this.#samplePerPage * Math.max(pages, PAGES_PER_BLOCK);
    while (this.#blocks * PAGES_PER_BLOCK < pages) this.#split();
  }

  record(key: number): void {
    const bits = mixed(key);
    const least = this.#least(bits);
    if (least < COUNTER_MAX) this.#raise(bits, least);
    this.#credit += this.#blocks << BLOCK_SHIFT;
    while (this.#credit >= this.#sample) {
      this.#credit -= this.#sample;
      this.#halveNext();
    }
  }

  estimate(key: number): number {
    return this.#least(mixed(key));
  }

  #least(bits: number): number {
    const block = this.#blockOf(bits);
    const chunk = this.#chunk(block);
    const first = firstWord(block);
    const places = mixed(bits);
    let least = COUNTER_MAX;
    for (let row = 0; row < ROWS; row++) {
      const place = places >>> (row << 3);
      const counter = (chunk[first + wordOf(row, place)]! >>> shiftOf(place)) & COUNTER_MAX;
      if (counter < least) least = counter;
    }
    return least;
  }

  #raise(bits: number, least: number): void {
    const block = this.#blockOf(bits);
    const chunk = this.#chunk(block);
    const first = firstWord(block);
    const places = mixed(bits);
    for (let row = 0; row < ROWS; row++) {
      const place = places >>> (row << 3);
      const at = first + wordOf(row, place);
      if (((chunk[at]! >>> shiftOf(place)) & COUNTER_MAX) === least) chunk[at]! += 1 << shiftOf(place);
    }
  }

  #halveNext(): void {
    const chunk = this.#chunk(this.#hand >>> BLOCK_SHIFT);
    const at = firstWord(this.#hand >>> BLOCK_SHIFT) + (this.#hand & (BLOCK_WORDS - 1));
    chunk[at] = (chunk[at]! >>> 1) & 0x77777777;
    if (++this.#hand >= this.#blocks << BLOCK_SHIFT) this.#hand = 0;
  }

  #blockOf(bits: number): number {
    const block = bits & (this.#level * 2 - 1);
    return block < this.#blocks ? block : block - this.#level;
  }

  #chunk(block: number): Uint32Array {
    return this.#chunks[block >>> BLOCKS_PER_CHUNK_SHIFT]!;
  }

  #split(): void {
    const made = this.#blocks++;
    const copied = made - this.#level;
    this.#reachChunk(made);
    const first = firstWord(copied);
    this.#chunk(made).set(this.#chunk(copied).subarray(first, first + BLOCK_WORDS), firstWord(made));
    if (this.#blocks === this.#level * 2) this.#level = this.#blocks;
  }

  #reachChunk(block: number): void {
    const number = block >>> BLOCKS_PER_CHUNK_SHIFT;
    if (number === this.#chunks.length) {
      this.#chunks.push(new Uint32Array(BLOCKS_PER_CHUNK << BLOCK_SHIFT));
      return;
    }
    const chunk = this.#chunks[number]!;
    if (firstWord(block) < chunk.length) return;
    const larger = new Uint32Array(chunk.length * 2);
    larger.set(chunk);
    this.#chunks[number] = larger;
  }
}

/** Within its chunk. */
function firstWord(block: number): number {
  return (block & (BLOCKS_PER_CHUNK - 1)) << BLOCK_SHIFT;
}

/** Each row has four words of the block: 32 counters. Bits 0-1 of the place choose the word, bits 2-4 the counter. */
function wordOf(row: number, place: number): number {
  return (row << 2) + (place & 3);
}

function shiftOf(place: number): number {
  return ((place >>> 2) & 7) << 2;
}
