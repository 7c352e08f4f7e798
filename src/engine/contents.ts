/**
 * Contents: what shared pages hold. A content is a page of an object of the engine's own, one for each trust domain, and
 * its index there is its number. Here is what is known of it besides: how many pages it has, and what to find it by. One
 * row of 12 bytes each:
 *
 *      word 0: pages that are it, those of the staged batch included; 0: the number is free
 *      word 1: bits 0-15 what its record takes; bits 16-31 its domain
 *      word 2: low word of XXH3-64 of the page, with the arena's own seed, which no client knows; of a free number, the
 *              next that is free
 *
 * Of contents with one such word only one is found, and who has the page of another does not share it.
 *
 * A content lives as long as a page is it. So it needs no tombstone: one that no mark in the log names is gone, and its
 * number is used again. The page that was it last has a newer record by then, which any recovery finds before what the
 * number stands for next.
 *
 * @hot `find` once per put of a page that may be shared.
 */
import { assert } from '../base/assert.js';
import { ContentTable } from './content-table.js';
import { CONTENTS_MAX } from './page-entry.js';
import { FANOUT } from './page-slab.js';
import type { StoredObject } from './stored-object.js';

const ROW_WORDS = 3;
const PAGES = 0;
const BYTES_AND_DOMAIN = 1;
const HASH = 2;
const NEXT_FREE = HASH;
const DOMAIN_SHIFT = 16;
const BYTES_MASK = 0xffff;
const DOMAINS_MAX = 2 ** 16;

const ROWS_SHIFT = 10;
const ROWS_PER_CHUNK = 1 << ROWS_SHIFT;

const NONE_FREE = 0;

/** Those who may share pages with one another. */
export interface ContentDomain {
  /** Whose pages the contents are. */
  readonly object: StoredObject;
  readonly ordinal: number;
}

interface Domain {
  readonly objectNumber: number;
  /** Undefined in recovery, and if recovery found none of its contents. */
  object: StoredObject | undefined;
  /** The first of the numbers that are free for it, counted from 1. */
  free: number;
}

export class Contents {
  /** Contents that there are. */
  count = 0;
  /**
   * What pages are charged beyond what is stored: of each content its record for each page but one. Pages of the staged
   * batch are in it. Of a content that was found damaged it is what its record took before.
   */
  savedBytes = 0;
  readonly #chunks: Uint32Array[] = [];
  readonly #domains: Domain[] = [];
  /** By the object's number: recovery asks at each mark. */
  readonly #ordinals = new Map<number, number>();
  readonly #table = new ContentTable({
    wordOf: (content) => this.#word(content, HASH),
    isWanted: (content) => this.#isWanted(content),
  });
  /** What is looked for in the table. */
  #domain = 0;
  #hash = 0;
  /** Numbers that recovery found free in blocks that no domain has: the first that needs some takes them. */
  readonly #ownerless: Domain = { objectNumber: 0, object: undefined, free: NONE_FREE };
  /** Behind the last number that was ever used. */
  #end = 0;
  /** Until all of the log is read nothing is gone for good. */
  #isRecovering = true;

  /** For pages that hold their contents in this object. */
  domainOf(object: StoredObject): ContentDomain {
    const ordinal = this.#ordinalOf(object.number);
    this.#domains[ordinal]!.object = object;
    return { object, ordinal };
  }

  /** A content of this domain with this word of the hash; {@link NO_CONTENT} if there is none. O(1). */
  find(domain: ContentDomain, hash: number): number {
    this.#domain = domain.ordinal;
    this.#hash = hash;
    return this.#table.find(hash);
  }

  /** The number that the domain's next new content will have; {@link NO_CONTENT} if all are taken. */
  nextOf({ ordinal }: ContentDomain): number {
    const domain = this.#domains[ordinal]!;
    // A leaf of the index is not to be shared with others, or each of them would have one that is nearly empty.
    if (domain.free === NONE_FREE) {
      domain.free = this.#ownerless.free;
      this.#ownerless.free = NONE_FREE;
    }
    if (domain.free === NONE_FREE && this.#end < CONTENTS_MAX) {
      const block = this.#end;
      this.#reach(block);
      this.#freeOf(domain, block);
    }
    return domain.free - 1;
  }

  /** A new content has the number that {@link Contents.nextOf} says. No page is it yet. */
  add({ ordinal }: ContentDomain, hash: number, bytes: number): number {
    const domain = this.#domains[ordinal]!;
    const content = domain.free - 1;
    assert(content >= 0, 'a number is free');
    domain.free = this.#word(content, NEXT_FREE);
    this.#setWord(content, BYTES_AND_DOMAIN, bytes | (ordinal << DOMAIN_SHIFT));
    this.#setWord(content, HASH, hash);
    this.#table.add(content);
    this.count++;
    return content;
  }

  /** Another page is it. */
  retain(content: number): void {
    const pages = this.#word(content, PAGES);
    if (pages > 0) this.savedBytes += this.bytesOf(content);
    this.#setWord(content, PAGES, pages + 1);
  }

  /** A page less is it. @returns where that was the last: the object whose page is to be dropped */
  release(content: number): StoredObject | undefined {
    const pages = this.#word(content, PAGES) - 1;
    assert(pages >= 0, 'a content that is given up was held');
    this.#setWord(content, PAGES, pages);
    if (pages > 0) this.savedBytes -= this.bytesOf(content);
    if (pages > 0 || this.#isRecovering) return undefined;
    this.#table.remove(content);
    this.count--;
    const domain = this.#domains[this.#domainAt(content)]!;
    this.#setWord(content, BYTES_AND_DOMAIN, 0);
    this.#free(domain, content);
    return domain.object;
  }

  /** It can not be read: no other page is to be it. */
  shun(content: number): void {
    this.#table.remove(content);
  }

  objectOf(content: number): StoredObject | undefined {
    return this.#domains[this.#domainAt(content)]?.object;
  }

  /** What its record takes; 0 in recovery. */
  bytesOf(content: number): number {
    return this.#word(content, BYTES_AND_DOMAIN) & BYTES_MASK;
  }

  pagesOf(content: number): number {
    return content < this.#end ? this.#word(content, PAGES) : 0;
  }

  get bytes(): number {
    return this.#chunks.length * ROWS_PER_CHUNK * ROW_WORDS * 4 + this.#table.bytes;
  }

  // What recovery finds, in the order of the log.

  /** A mark says that a page is this content, whose record is one of that object, and has this word of the hash. */
  recoverMark(content: number, objectNumber: number, hash: number): void {
    this.#reach(content);
    this.#setWord(content, BYTES_AND_DOMAIN, this.#ordinalOf(objectNumber) << DOMAIN_SHIFT);
    this.#setWord(content, HASH, hash);
    this.retain(content);
  }

  /** Whether a page is the content that this object has under the number. */
  isNamed(content: number, object: StoredObject): boolean {
    return this.pagesOf(content) > 0 && this.#domains[this.#domainAt(content)]?.objectNumber === object.number;
  }

  /** The content is there, in a record of so many bytes, and may be shared again. */
  recovered(content: number, object: StoredObject, bytes: number): void {
    this.domainOf(object);
    this.#setWord(content, BYTES_AND_DOMAIN, bytes | (this.#domainAt(content) << DOMAIN_SHIFT));
    this.#table.add(content);
    this.count++;
    this.savedBytes += (this.pagesOf(content) - 1) * bytes;
  }

  /** The log is read. O(numbers). */
  endRecovery(): void {
    this.#isRecovering = false;
    const end = this.#end;
    for (let block = 0; block < end; block += FANOUT) {
      let owner: Domain | undefined;
      for (let at = block; at < block + FANOUT; at++) {
        if (this.#word(at, PAGES) > 0) owner ??= this.#domains[this.#domainAt(at)];
      }
      this.#freeOf(owner ?? this.#ownerless, block);
    }
  }

  #isWanted(content: number): boolean {
    return this.#word(content, HASH) === this.#hash && this.#domainAt(content) === this.#domain;
  }

  #freeOf(domain: Domain, block: number): void {
    for (let at = block + FANOUT - 1; at >= block; at--) if (this.#word(at, PAGES) === 0) this.#free(domain, at);
  }

  #free(domain: Domain, content: number): void {
    this.#setWord(content, NEXT_FREE, domain.free);
    domain.free = content + 1;
  }

  /** There is a row for it, and for all of its block. */
  #reach(content: number): void {
    while (this.#chunks.length << ROWS_SHIFT <= content) this.#chunks.push(new Uint32Array(ROWS_PER_CHUNK * ROW_WORDS));
    this.#end = Math.max(this.#end, (Math.floor(content / FANOUT) + 1) * FANOUT);
  }

  #ordinalOf(objectNumber: number): number {
    const known = this.#ordinals.get(objectNumber);
    if (known !== undefined) return known;
    const ordinal = this.#domains.length;
    assert(ordinal < DOMAINS_MAX, 'there are fewer domains than exports');
    this.#domains.push({ objectNumber, object: undefined, free: NONE_FREE });
    this.#ordinals.set(objectNumber, ordinal);
    return ordinal;
  }

  #domainAt(content: number): number {
    return this.#word(content, BYTES_AND_DOMAIN) >>> DOMAIN_SHIFT;
  }

  #word(content: number, word: number): number {
    return this.#chunks[content >>> ROWS_SHIFT]![(content & (ROWS_PER_CHUNK - 1)) * ROW_WORDS + word]!;
  }

  #setWord(content: number, word: number, value: number): void {
    this.#chunks[content >>> ROWS_SHIFT]![(content & (ROWS_PER_CHUNK - 1)) * ROW_WORDS + word] = value;
  }
}
