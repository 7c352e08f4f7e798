/**
 * How often pages were asked for lately, whether they are here or not: small counters, each with a part of its page's
 * key, in buckets of 16 that forget the page with the least count when they are full, the longest unseen of several.
 * Counts are halved as time passes, and a page whose count comes to nothing is forgotten. 16 bytes a page held.
 *
 * A count-min sketch of the same size knows less here: behind a guest's own cache most pages are seen once in a long
 * time, and in a sketch they raise each other's counters (decision 27 has the figures).
 *
 * Buckets are halved one by one as gets come in, all of them once in a sample, and added one at a time (linear
 * hashing), so neither ever stops the store. A new bucket begins as a copy of the one whose pages it shares; what is
 * not asked for again fades from both.
 *
 * ```
 *  cell    bits 20-31 of the mixed key (12) | count, 1 to 15 (4); 0 is empty
 *  bucket  16 cells, longest unseen first, empty ones behind
 * ```
 *
 * @hot Written once per get: no allocation but of chunks.
 */
import { mixed } from './mix.js';

const BUCKET_CELLS = 16;
const BUCKET_SHIFT = 4;
const COUNT_MAX = 15;
const TAG_SHIFT = 20;
/** 8 counters a page: half a bucket. */
const PAGES_PER_BUCKET = 2;
const BUCKETS_PER_CHUNK_SHIFT = 8;
const BUCKETS_PER_CHUNK = 1 << BUCKETS_PER_CHUNK_SHIFT;

export class FrequencyHistory {
  readonly #samplePerPage: number;
  readonly #chunks: Uint16Array[] = [new Uint16Array(BUCKET_CELLS)];
  #buckets = 1;
  /** The largest power of two that is not above the number of buckets. */
  #level = 1;
  #sample: number;
  /** The bucket that is halved next, and how much of its turn has come. */
  #hand = 0;
  #credit = 0;

  /** All counts are halved once in `samplePerPage` gets for each page held. */
  constructor(samplePerPage: number) {
    this.#samplePerPage = samplePerPage;
    this.#sample = samplePerPage * PAGES_PER_BUCKET;
  }

  get bytes(): number {
    return this.#chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** So many pages are held: room and sample follow. O(1) for each two more; the room never shrinks. */
  reach(pages: number): void {
    this.#sample = this.#samplePerPage * Math.max(pages, PAGES_PER_BUCKET);
    while (this.#buckets * PAGES_PER_BUCKET < pages) this.#split();
  }

  /** A get asked for the page. */
  record(key: number): void {
    const bits = mixed(key);
    const bucket = this.#bucketOf(bits);
    const chunk = this.#chunk(bucket);
    const first = firstCell(bucket);
    const tag = bits >>> TAG_SHIFT;
    let end = first;
    let found = -1;
    let least = first;
    for (; end < first + BUCKET_CELLS; end++) {
      const cell = chunk[end]!;
      if (cell === 0) break;
      if (cell >>> 4 === tag) found = end;
      if ((cell & COUNT_MAX) < (chunk[least]! & COUNT_MAX)) least = end;
    }
    let count = 1;
    if (found >= 0) count = Math.min(COUNT_MAX, (chunk[found]! & COUNT_MAX) + 1);
    else if (end === first + BUCKET_CELLS) found = least;
    if (found >= 0) {
      // Those seen since move up; `copyWithin` costs more than a few cells do.
      for (end--; found < end; found++) chunk[found] = chunk[found + 1]!;
    }
    chunk[end] = (tag << 4) | count;
    this.#age();
  }

  /** 0 of a page that is not remembered, at most 15. Now and then another page's count, by chance in the key. */
  estimate(key: number): number {
    const bits = mixed(key);
    const bucket = this.#bucketOf(bits);
    const chunk = this.#chunk(bucket);
    const first = firstCell(bucket);
    const tag = bits >>> TAG_SHIFT;
    for (let at = first; at < first + BUCKET_CELLS; at++) {
      const cell = chunk[at]!;
      if (cell === 0) return 0;
      if (cell >>> 4 === tag) return cell & COUNT_MAX;
    }
    return 0;
  }

  #age(): void {
    this.#credit += this.#buckets;
    while (this.#credit >= this.#sample) {
      this.#credit -= this.#sample;
      this.#halve(this.#hand);
      this.#hand = this.#hand + 1 === this.#buckets ? 0 : this.#hand + 1;
    }
  }

  #halve(bucket: number): void {
    const chunk = this.#chunk(bucket);
    const first = firstCell(bucket);
    let kept = first;
    for (let at = first; at < first + BUCKET_CELLS; at++) {
      const cell = chunk[at]!;
      chunk[at] = 0;
      const count = (cell & COUNT_MAX) >>> 1;
      if (count > 0) chunk[kept++] = (cell & ~COUNT_MAX) | count;
    }
  }

  #bucketOf(bits: number): number {
    const bucket = bits & (this.#level * 2 - 1);
    return bucket < this.#buckets ? bucket : bucket - this.#level;
  }

  #chunk(bucket: number): Uint16Array {
    return this.#chunks[bucket >>> BUCKETS_PER_CHUNK_SHIFT]!;
  }

  #split(): void {
    const made = this.#buckets++;
    const copied = made - this.#level;
    this.#reachChunk(made);
    const from = this.#chunk(copied);
    const to = this.#chunk(made);
    for (let at = 0; at < BUCKET_CELLS; at++) to[firstCell(made) + at] = from[firstCell(copied) + at]!;
    if (this.#buckets === this.#level * 2) this.#level = this.#buckets;
  }

  /** The first chunk is small at first, because many pools are. */
  #reachChunk(bucket: number): void {
    const number = bucket >>> BUCKETS_PER_CHUNK_SHIFT;
    if (number === this.#chunks.length) {
      this.#chunks.push(new Uint16Array(BUCKETS_PER_CHUNK << BUCKET_SHIFT));
      return;
    }
    const chunk = this.#chunks[number]!;
    if (firstCell(bucket) < chunk.length) return;
    const larger = new Uint16Array(chunk.length * 2);
    larger.set(chunk);
    this.#chunks[number] = larger;
  }
}

/** Within its chunk. */
function firstCell(bucket: number): number {
  return (bucket & (BUCKETS_PER_CHUNK - 1)) << BUCKET_SHIFT;
}
