/**
 * From a content's hash to its number: open addressing with linear probing, in 256 parts, so that no put waits until all
 * of a large table has grown. It keeps numbers only; the hashes are where the contents are.
 *
 * @hot `find` runs once per put of a page that may be shared. No allocation but where a part grows.
 */

const PARTS = 256;
const PART_SHIFT = 8;
const SLOTS_MIN = 16;
/** A part grows when more than this of it is taken: probes stay short, and a content costs about 7 bytes. */
const LOAD_MAX = 0.75;

/** Of a slot: a content's number, counted from 1. */
const EMPTY = 0;

/** The table has no such content. */
export const NO_CONTENT = -1;

/** What the table asks of contents. */
export interface HashedContents {
  /** By which a content is found: the same word for all that may be equal to it. No client can foresee it. */
  wordOf(content: number): number;
  /** Whether it is the one that is looked for. */
  isWanted(content: number): boolean;
}

export class ContentTable {
  readonly #contents: HashedContents;
  readonly #parts: (Uint32Array | undefined)[] = Array.from({ length: PARTS }, () => undefined);
  readonly #taken = new Uint32Array(PARTS);

  constructor(contents: HashedContents) {
    this.#contents = contents;
  }

  /** The content with this word that is wanted; {@link NO_CONTENT} if there is none. */
  find(word: number): number {
    const part = this.#parts[word & (PARTS - 1)];
    if (part === undefined) return NO_CONTENT;
    const mask = part.length - 1;
    for (let slot = (word >>> PART_SHIFT) & mask; part[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const content = part[slot]! - 1;
      if (this.#contents.isWanted(content)) return content;
    }
    return NO_CONTENT;
  }

  /** It must not be there. */
  add(content: number): void {
    const word = this.#contents.wordOf(content);
    const which = word & (PARTS - 1);
    let part = (this.#parts[which] ??= new Uint32Array(SLOTS_MIN));
    if (++this.#taken[which]! > part.length * LOAD_MAX) part = this.#grow(which, part);
    place(part, word, content);
  }

  /** @returns whether it was there */
  remove(content: number): boolean {
    const word = this.#contents.wordOf(content);
    const which = word & (PARTS - 1);
    const part = this.#parts[which];
    if (part === undefined) return false;
    const mask = part.length - 1;
    let hole = (word >>> PART_SHIFT) & mask;
    for (; part[hole] !== content + 1; hole = (hole + 1) & mask) if (part[hole] === EMPTY) return false;
    // Those behind it that would not be found across the hole move into it, so that nothing marks where one was.
    for (let slot = (hole + 1) & mask; part[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = (this.#contents.wordOf(part[slot]! - 1) >>> PART_SHIFT) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      part[hole] = part[slot]!;
      hole = slot;
    }
    part[hole] = EMPTY;
    this.#taken[which]!--;
    return true;
  }

  get bytes(): number {
    return this.#parts.reduce((bytes, part) => bytes + (part?.byteLength ?? 0), 0);
  }

  #grow(which: number, part: Uint32Array): Uint32Array {
    const larger = new Uint32Array(part.length * 2);
    for (const slot of part) if (slot !== EMPTY) place(larger, this.#contents.wordOf(slot - 1), slot - 1);
    this.#parts[which] = larger;
    return larger;
  }
}

function place(part: Uint32Array, word: number, content: number): void {
  const mask = part.length - 1;
  let slot = (word >>> PART_SHIFT) & mask;
  while (part[slot] !== EMPTY) slot = (slot + 1) & mask;
  part[slot] = content + 1;
}
