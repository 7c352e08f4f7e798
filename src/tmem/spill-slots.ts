/** Which slots of a spill file are in use: a bit each. The lowest free one is given out, so that the file stays short. */
import { assert } from '../base/assert.js';
import { SPILL_SLOTS_MAX } from '../engine/page-entry.js';
import { NO_SLOT } from '../engine/spilling.js';

const WORD_BITS = 32;

export class SpillSlots {
  #words = new Uint32Array(64);
  /** No word below has a free bit. */
  #firstFree = 0;
  #used = 0;

  get used(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  /** The lowest slot that is free; {@link NO_SLOT} if there is none. */
  take(): number {
    while (this.#firstFree < this.#words.length && this.#words[this.#firstFree] === 0xffffffff) this.#firstFree++;
    const word = this.#firstFree;
    const bits = word < this.#words.length ? this.#words[word]! : 0;
    const lowestZero = ~bits & (bits + 1);
    const slot = word * WORD_BITS + WORD_BITS - 1 - Math.clz32(lowestZero);
    if (slot >= SPILL_SLOTS_MAX) return NO_SLOT;
    this.claim(slot);
    return slot;
  }

  /** A slot that a mark names: at start, in any order. */
  claim(slot: number): void {
    const word = Math.floor(slot / WORD_BITS);
    if (word >= this.#words.length) this.#grow(word + 1);
    const bit = 1 << (slot % WORD_BITS);
    assert((this.#words[word]! & bit) === 0, `slot ${slot} has one page`);
    this.#words[word]! |= bit;
    this.#used++;
  }

  give(slot: number): void {
    const word = Math.floor(slot / WORD_BITS);
    const bit = 1 << (slot % WORD_BITS);
    assert((this.#words[word]! & bit) !== 0, `slot ${slot} is in use`);
    this.#words[word]! &= ~bit;
    this.#firstFree = Math.min(this.#firstFree, word);
    this.#used--;
  }

  #grow(words: number): void {
    const larger = new Uint32Array(Math.max(words, this.#words.length * 2));
    larger.set(this.#words);
    this.#words = larger;
  }
}
