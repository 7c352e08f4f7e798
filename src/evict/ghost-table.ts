/**
 * Remembers pages that are gone, by key, each with a small number: 4 bytes a ghost. Buckets of 16 forget their oldest
 * when they are full, so that the table as a whole forgets roughly in order of age without links for it. Keys spread
 * evenly; a table with a quarter more room than wanted keeps nearly nine in ten of what one exact queue would keep.
 *
 * It grows by linear hashing (Litwin 1980): one bucket at a time is split in two, so growing never stops the store.
 *
 * ```
 *  cell    bits 4-31 of the mixed key | number + 1 (4); 0 is empty
 *          (bits 0-3 are those of the bucket's number, because there are 16 buckets or more: keys are compared whole)
 *  bucket  16 cells, oldest first, empty ones behind
 * ```
 *
 * @hot Looked at once or twice per page operation: no allocation but of chunks.
 */
import { mixed } from './mix.js';

/** Largest number that a ghost carries. */
export const GHOST_VALUE_MAX = 14;
/** The page is not remembered. */
export const NO_GHOST = -1;

const BUCKET_CELLS = 16;
const BUCKET_SHIFT = 4;
const VALUE_MASK = 15;
const BUCKETS_MIN = 16;
const BUCKETS_PER_CHUNK_SHIFT = 8;
const BUCKETS_PER_CHUNK = 1 << BUCKETS_PER_CHUNK_SHIFT;

export class GhostTable {
  readonly #chunks: Uint32Array[] = [new Uint32Array(BUCKETS_MIN << BUCKET_SHIFT)];
  #buckets = BUCKETS_MIN;
  /** The largest power of two that is not above the number of buckets. */
  #level = BUCKETS_MIN;

  get bytes(): number {
    return this.#chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Makes room for so many ghosts; O(1) for each 16 more. A table never shrinks. */
  reach(ghosts: number): void {
    while (this.#buckets << BUCKET_SHIFT < ghosts) this.#split();
  }

  /** `value` is 0 to {@link GHOST_VALUE_MAX}. A page that is remembered already becomes the youngest. */
  remember(key: number, value: number): void {
    const bits = mixed(key);
    const bucket = this.#bucketOf(bits);
    const chunk = this.#chunk(bucket);
    const first = firstCell(bucket);
    const wanted = (bits & ~VALUE_MASK) >>> 0;
    let end = first;
    let gone = -1;
    for (; end < first + BUCKET_CELLS && chunk[end] !== 0; end++) {
      if ((chunk[end]! & ~VALUE_MASK) >>> 0 === wanted) gone = end;
    }
    if (gone < 0 && end === first + BUCKET_CELLS) gone = first;
    if (gone >= 0) {
      closeGap(chunk, gone, first + BUCKET_CELLS);
      end--;
    }
    chunk[end] = wanted | (value + 1);
  }

  /** Forgets the page. @returns its number, or {@link NO_GHOST}. */
  take(key: number): number {
    const bits = mixed(key);
    const bucket = this.#bucketOf(bits);
    const chunk = this.#chunk(bucket);
    const first = firstCell(bucket);
    const wanted = (bits & ~VALUE_MASK) >>> 0;
    for (let at = first; at < first + BUCKET_CELLS; at++) {
      const cell = chunk[at]!;
      if (cell === 0) return NO_GHOST;
      if ((cell & ~VALUE_MASK) >>> 0 !== wanted) continue;
      closeGap(chunk, at, first + BUCKET_CELLS);
      return (cell & VALUE_MASK) - 1;
    }
    return NO_GHOST;
  }

  #bucketOf(bits: number): number {
    const bucket = bits & (this.#level * 2 - 1);
    return bucket < this.#buckets ? bucket : bucket - this.#level;
  }

  #chunk(bucket: number): Uint32Array {
    return this.#chunks[bucket >>> BUCKETS_PER_CHUNK_SHIFT]!;
  }

  /** The bucket that is due gives those of its ghosts away that belong to a new bucket; both keep their order. */
  #split(): void {
    const made = this.#buckets++;
    const halved = made - this.#level;
    this.#reachChunk(made);
    const from = this.#chunk(halved);
    const to = this.#chunk(made);
    const first = firstCell(halved);
    let kept = first;
    let moved = firstCell(made);
    for (let at = first; at < first + BUCKET_CELLS; at++) {
      const cell = from[at]!;
      from[at] = 0;
      if (cell === 0) continue;
      if ((cell & this.#level) === 0) from[kept++] = cell;
      else to[moved++] = cell;
    }
    if (this.#buckets === this.#level * 2) this.#level = this.#buckets;
  }

  /** The first chunk is small at first, because many pools are. */
  #reachChunk(bucket: number): void {
    const number = bucket >>> BUCKETS_PER_CHUNK_SHIFT;
    if (number === this.#chunks.length) {
      this.#chunks.push(new Uint32Array(BUCKETS_PER_CHUNK << BUCKET_SHIFT));
      return;
    }
    const chunk = this.#chunks[number]!;
    if (firstCell(bucket) < chunk.length) return;
    const larger = new Uint32Array(chunk.length * 2);
    larger.set(chunk);
    this.#chunks[number] = larger;
  }
}

/** Within its chunk. */
function firstCell(bucket: number): number {
  return (bucket & (BUCKETS_PER_CHUNK - 1)) << BUCKET_SHIFT;
}

/** Takes a cell out and moves those behind it up. `copyWithin` costs more than a few cells do. */
function closeGap(chunk: Uint32Array, at: number, end: number): void {
  let cell = at;
  for (; cell < end - 1 && chunk[cell + 1] !== 0; cell++) chunk[cell] = chunk[cell + 1]!;
  chunk[cell] = 0;
}
