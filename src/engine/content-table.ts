/**
 * From the hash of a page to the contents that may be it: chains in 256 parts, so that no put waits until all of a large
 * table has grown. It keeps numbers only; the hashes are where the contents are. A content costs 6 to 8 bytes.
 *
 * @hot `find` runs once per put of a page that may be shared. No allocation but where a part grows, or more contents come.
 */

const PARTS = 256;
const PART_SHIFT = 8;
const HEADS_MIN = 8;
/** A part without contents. */
const NO_HEADS = new Uint32Array(1);
/** Contents to a chain, at most on average: a part that has more doubles. */
const CHAIN_MAX = 2;

const LINKS_SHIFT = 10;
const LINKS_PER_CHUNK = 1 << LINKS_SHIFT;

/** Of a link: a content's number, counted from 1. */
const END = 0;

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
  readonly #parts: Uint32Array[] = Array.from({ length: PARTS }, () => NO_HEADS);
  /** Contents in each part. */
  readonly #taken = new Uint32Array(PARTS);
  /** From each content to the next of its chain. */
  readonly #links: Uint32Array[] = [];

  constructor(contents: HashedContents) {
    this.#contents = contents;
  }

  /** The content with this word that is wanted; {@link NO_CONTENT} if there is none. */
  find(word: number): number {
    const part = this.#parts[word & (PARTS - 1)]!;
    for (let link = part[placeOf(word, part)]!; link !== END; link = this.#link(link - 1)) {
      if (this.#contents.isWanted(link - 1)) return link - 1;
    }
    return NO_CONTENT;
  }

  /** It must not be there. */
  add(content: number): void {
    while (this.#links.length << LINKS_SHIFT <= content) this.#links.push(new Uint32Array(LINKS_PER_CHUNK));
    const word = this.#contents.wordOf(content);
    const which = word & (PARTS - 1);
    const part = this.#parts[which]!;
    if (++this.#taken[which]! > part.length * CHAIN_MAX || part === NO_HEADS) this.#grow(which);
    this.#chain(this.#parts[which]!, word, content);
  }

  /** @returns whether it was there */
  remove(content: number): boolean {
    const word = this.#contents.wordOf(content);
    const which = word & (PARTS - 1);
    const part = this.#parts[which]!;
    const place = placeOf(word, part);
    let before = NO_CONTENT;
    for (let link = part[place]!; link !== END; link = this.#link(link - 1)) {
      if (link - 1 === content) {
        const next = this.#link(content);
        if (before === NO_CONTENT) part[place] = next;
        else this.#setLink(before, next);
        this.#taken[which]!--;
        return true;
      }
      before = link - 1;
    }
    return false;
  }

  get bytes(): number {
    const links = this.#links.length * LINKS_PER_CHUNK * 4;
    return this.#parts.reduce((bytes, part) => bytes + (part === NO_HEADS ? 0 : part.byteLength), links);
  }

  #grow(which: number): void {
    const part = this.#parts[which]!;
    const larger = new Uint32Array(Math.max(HEADS_MIN, part.length * 2));
    for (const head of part) {
      for (let link = head; link !== END;) {
        const content = link - 1;
        link = this.#link(content);
        this.#chain(larger, this.#contents.wordOf(content), content);
      }
    }
    this.#parts[which] = larger;
  }

  #chain(part: Uint32Array, word: number, content: number): void {
    const place = placeOf(word, part);
    this.#setLink(content, part[place]!);
    part[place] = content + 1;
  }

  #link(content: number): number {
    return this.#links[content >>> LINKS_SHIFT]![content & (LINKS_PER_CHUNK - 1)]!;
  }

  #setLink(content: number, link: number): void {
    this.#links[content >>> LINKS_SHIFT]![content & (LINKS_PER_CHUNK - 1)] = link;
  }
}

/** A part is a power of two long. */
function placeOf(word: number, part: Uint32Array): number {
  return (word >>> PART_SHIFT) & (part.length - 1);
}
