/**
 * What orders know of each page they hold, for all orders of a shard together: an entry is in one order at most, so
 * that links, key, time and marks need to be there once. 20 bytes a page, in chunks that are made as entries come to
 * use, in any order, and are never given back.
 *
 * ```
 *  word 0   younger neighbour in its queue, 0 = none
 *       1   older neighbour in its queue, 0 = none
 *       2   key
 *       3   gets the table had counted when the page was last used
 *       4   0000 0000 | T fff f qqq | bytes as stored (16)
 *                       T  in the tail segment of its queue
 *                       f  frequency, 0 to 15
 *                       q  queue, 1 to 7; 0 = held by no order
 * ```
 *
 * @hot Read and written several times per page operation: no allocation but of chunks.
 */
import { assert } from '../base/assert.js';

/** Most that a page may take as stored: a record of an incompressible page is well below. */
export const ENTRY_BYTES_MAX = 0xffff;
export const FREQUENCY_MAX = 15;

const ENTRIES_PER_CHUNK_SHIFT = 12;
const ENTRIES_PER_CHUNK = 1 << ENTRIES_PER_CHUNK_SHIFT;
const ENTRY_MASK = ENTRIES_PER_CHUNK - 1;
const WORDS = 5;
const QUEUE_SHIFT = 16;
const QUEUE_MASK = 7;
const FREQUENCY_SHIFT = 19;
const TAIL = 1 << 23;
const NO_CHUNK = new Uint32Array(0);

export class EntryTable {
  readonly #chunks: Uint32Array[] = [];
  #gets = 0;
  #bytes = 0;

  /** Memory of all entries. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The orders' time: gets so far, whatever they found, modulo 2^32. */
  get gets(): number {
    return this.#gets;
  }

  countGet(): void {
    this.#gets = (this.#gets + 1) >>> 0;
  }

  /** Fills an entry of a page that no order holds. */
  occupy(entry: number, key: number, bytes: number): void {
    assert(entry > 0 && entry < 2 ** 32, 'entries begin with 1');
    assert(bytes >= 0 && bytes <= ENTRY_BYTES_MAX, 'a page as stored fits into 16 bits');
    const chunk = this.#reach(entry >>> ENTRIES_PER_CHUNK_SHIFT);
    const at = (entry & ENTRY_MASK) * WORDS;
    assert(((chunk[at + 4]! >>> QUEUE_SHIFT) & QUEUE_MASK) === 0, 'an entry is in one order at most');
    chunk[at + 2] = key;
    chunk[at + 3] = this.#gets;
    chunk[at + 4] = bytes;
  }

  younger(entry: number): number {
    return this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS]!;
  }

  setYounger(entry: number, younger: number): void {
    this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS] = younger;
  }

  older(entry: number): number {
    return this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 1]!;
  }

  setOlder(entry: number, older: number): void {
    this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 1] = older;
  }

  key(entry: number): number {
    return this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 2]!;
  }

  /** Gets since the page was last used, as long as there were fewer than 2^32. */
  age(entry: number): number {
    return (this.#gets - this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 3]!) >>> 0;
  }

  /** The page is used now. */
  touch(entry: number): void {
    this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 3] = this.#gets;
  }

  bytesOf(entry: number): number {
    return this.#word(entry) & ENTRY_BYTES_MAX;
  }

  setBytesOf(entry: number, bytes: number): void {
    assert(bytes >= 0 && bytes <= ENTRY_BYTES_MAX, 'a page as stored fits into 16 bits');
    this.#setWord(entry, (this.#word(entry) & ~ENTRY_BYTES_MAX) | bytes);
  }

  /** Whether an order holds it. Of any entry at all. */
  holds(entry: number): boolean {
    const chunk = this.#chunks[entry >>> ENTRIES_PER_CHUNK_SHIFT] ?? NO_CHUNK;
    return chunk.length > 0 && this.queue(entry) !== 0;
  }

  /** 0 of a page that no order holds. */
  queue(entry: number): number {
    const chunk = this.#chunks[entry >>> ENTRIES_PER_CHUNK_SHIFT];
    if (chunk === undefined || chunk === NO_CHUNK) return 0;
    return (chunk[(entry & ENTRY_MASK) * WORDS + 4]! >>> QUEUE_SHIFT) & QUEUE_MASK;
  }

  setQueue(entry: number, queue: number): void {
    this.#setWord(entry, (this.#word(entry) & ~(QUEUE_MASK << QUEUE_SHIFT)) | (queue << QUEUE_SHIFT));
  }

  frequency(entry: number): number {
    return (this.#word(entry) >>> FREQUENCY_SHIFT) & FREQUENCY_MAX;
  }

  setFrequency(entry: number, frequency: number): void {
    const others = this.#word(entry) & ~(FREQUENCY_MAX << FREQUENCY_SHIFT);
    this.#setWord(entry, others | (frequency << FREQUENCY_SHIFT));
  }

  inTail(entry: number): boolean {
    return (this.#word(entry) & TAIL) !== 0;
  }

  setInTail(entry: number, inTail: boolean): void {
    this.#setWord(entry, inTail ? this.#word(entry) | TAIL : this.#word(entry) & ~TAIL);
  }

  #chunk(entry: number): Uint32Array {
    return this.#chunks[entry >>> ENTRIES_PER_CHUNK_SHIFT]!;
  }

  #word(entry: number): number {
    return this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 4]!;
  }

  #setWord(entry: number, word: number): void {
    this.#chunk(entry)[(entry & ENTRY_MASK) * WORDS + 4] = word;
  }

  #reach(number: number): Uint32Array {
    // Numbers that nobody has used yet cost eight bytes a chunk.
    while (this.#chunks.length <= number) this.#chunks.push(NO_CHUNK);
    let chunk = this.#chunks[number]!;
    if (chunk === NO_CHUNK) {
      chunk = new Uint32Array(ENTRIES_PER_CHUNK * WORDS);
      this.#chunks[number] = chunk;
      this.#bytes += chunk.byteLength;
    }
    return chunk;
  }
}
