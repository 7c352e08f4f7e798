/**
 * Puts: a page alone in its record, or one that others may share.
 *
 *      alone     │ page │                        in the page's own object
 *      shared    │ content │ mark │              the content in an object of its domain, which the mark names
 *      again              │ mark │               where the content is stored already
 *
 * A pool of a trust domain shares all pages but same-filled ones, the first page of a content too: so the second costs a
 * mark, and none has to be turned into another kind of record. A page is a content only where every byte is the same; the
 * hash only says which one to compare with. Content and mark are staged in this order by one operation of one batch: a
 * batch that is cut between them leaves a content that no page is.
 *
 * @hot Once per put.
 */
import { assert } from '../base/assert.js';
import { type Address, type PageIndex, pageIndex } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import { NO_CONTENT } from './content-table.js';
import type { ContentDomain, Contents } from './contents.js';
import type { Kernel } from './kernel.js';
import { ENTRY_USED, storedBytesOf, wordOfContent } from './page-entry.js';
import { PutOutcome } from './put-outcome.js';
import { MARK_BYTES, type PageHash, recordBytes } from './record.js';
import type { Staging } from './staging.js';
import type { StoredObject } from './stored-object.js';

/** The domain has another page with this hash: the page is stored alone. */
const STRANGER = -2;

const MARK_RECORD_BYTES: number = recordBytes(MARK_BYTES);

export interface PuttingGround {
  readonly kernel: Kernel;
  readonly staging: Staging;
  /** Of contents' hash. Clients must not know it, or they could choose pages that all have one hash. */
  readonly seed: number;
  /** Makes room for another operation of the batch, which stages so many records. */
  readonly begin: (records: number) => void;
  /** Whether live bytes may grow by so much, with all that is staged. */
  readonly takes: (growth: number) => boolean;
  /** The content to `to`. @returns whether it could be read */
  readonly readContent: (content: number, to: Address) => boolean;
}

export class Putting {
  /** Whether the last put that was stored is in place of a page, the batch included. */
  lastReplaced = false;
  readonly #ground: PuttingGround;
  readonly #contents: Contents;
  readonly #memory: Buffer;
  readonly #content: Address;
  /** Of the page at hand, with the seed. */
  #hash: PageHash = { low: 0, high: 0 };
  /** By the put at hand: of the page's own record in the log, and of what its pool is charged. */
  #growth = 0;
  #charge = 0;

  constructor(ground: PuttingGround) {
    this.#ground = ground;
    this.#contents = ground.staging.index.contents;
    const { bytes } = ground.kernel;
    this.#memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#content = ground.kernel.allocate(PAGE_BYTES);
  }

  /** @param room - what the pool may grow by, in bytes that it is charged */
  put(object: StoredObject, index: PageIndex, from: Address, room: number): PutOutcome {
    const { kernel, begin } = this.#ground;
    const { pool } = object;
    // An early commit may be about to make what is staged a part of what is stored.
    const chargeMax = pool.storedBytes + room;
    const { domain } = pool;
    if (domain === undefined || kernel.sameFilled(from)) {
      begin(1);
      return this.#putAlone(object, index, from, chargeMax);
    }
    begin(2);
    const content = this.#find(domain, from);
    if (content === STRANGER) return this.#putAlone(object, index, from, chargeMax);
    if (content === NO_CONTENT) return this.#putFirst(domain, object, index, from, chargeMax);
    const to = this.#ground.staging.records.begin(object, 'put');
    if (to === undefined) return PutOutcome.full;
    const cell = object.table.reach(index);
    this.#weigh(object, index, cell, MARK_RECORD_BYTES, this.#contents.bytesOf(content));
    const refusal = this.#refusal(object, index, this.#growth, chargeMax);
    if (refusal !== undefined) return refusal;
    this.#mark(to, domain, object, index, cell, content);
    return PutOutcome.stored;
  }

  #putAlone(object: StoredObject, index: PageIndex, from: Address, chargeMax: number): PutOutcome {
    const { staging } = this.#ground;
    const to = staging.records.begin(object, 'put');
    if (to === undefined) return PutOutcome.full;
    const cell = object.table.reach(index);
    const payloadBytes = staging.records.page(to, object, index, from);
    this.#weigh(object, index, cell, recordBytes(payloadBytes), 0);
    const refusal = this.#refusal(object, index, this.#growth, chargeMax);
    if (refusal !== undefined) return refusal;
    staging.store(object, index, cell, payloadBytes | ENTRY_USED, this.#growth, this.#charge);
    return PutOutcome.stored;
  }

  /** The domain has no such page yet. */
  #putFirst(
    domain: ContentDomain,
    object: StoredObject,
    index: PageIndex,
    from: Address,
    chargeMax: number,
  ): PutOutcome {
    const { staging } = this.#ground;
    const number = this.#contents.nextOf(domain);
    if (number === NO_CONTENT) return this.#putAlone(object, index, from, chargeMax);
    const contentAt = staging.records.begin(domain.object, 'put', 2);
    if (contentAt === undefined) return PutOutcome.full;
    const cell = object.table.reach(index);
    const payloadBytes = staging.records.page(contentAt, domain.object, pageIndex(number), from);
    const contentBytes = recordBytes(payloadBytes);
    this.#weigh(object, index, cell, MARK_RECORD_BYTES, contentBytes);
    const refusal = this.#refusal(object, index, this.#growth + contentBytes, chargeMax);
    if (refusal !== undefined) return refusal;
    const content = this.#contents.add(domain, this.#hash.low, contentBytes);
    staging.store(domain.object, content, domain.object.table.reach(content), payloadBytes, contentBytes);
    const to = staging.records.begin(object, 'upkeep');
    assert(to !== undefined, 'room for both records was asked for');
    this.#mark(to, domain, object, index, cell, content);
    return PutOutcome.stored;
  }

  #mark(
    to: Address,
    domain: ContentDomain,
    object: StoredObject,
    index: PageIndex,
    cell: number,
    content: number,
  ): void {
    const { staging } = this.#ground;
    staging.records.share(to, object, index, content, domain.object, this.#hash);
    staging.store(object, index, cell, wordOfContent(content), this.#growth, this.#charge);
  }

  /** What this record, and a content, in place of the page would change. */
  #weigh(object: StoredObject, index: PageIndex, cell: number, bytes: number, contentBytes: number): void {
    const { staging } = this.#ground;
    const before = staging.wordOf(object, index, cell);
    this.lastReplaced = before !== undefined;
    this.#growth = bytes - (before === undefined ? 0 : storedBytesOf(before));
    this.#charge = bytes + contentBytes - (before === undefined ? 0 : staging.index.chargedBytesOf(before));
  }

  /** Why the put may not be; undefined if it may. */
  #refusal(object: StoredObject, index: PageIndex, growth: number, chargeMax: number): PutOutcome | undefined {
    const { staging, takes } = this.#ground;
    const { pool } = object;
    const isOver = this.#charge > 0 && this.#charge > chargeMax - pool.storedBytes - pool.pendingBytes;
    if (!isOver && takes(growth)) return undefined;
    // A leaf made for nothing goes, unless the batch may have marked another of its pages.
    if (staging.isEmpty) object.table.prune(index);
    return isOver ? PutOutcome.over : PutOutcome.full;
  }

  /** The content that the page at `from` is, {@link NO_CONTENT}, or {@link STRANGER}. Leaves its hash in `#hash`. */
  #find(domain: ContentDomain, from: Address): number {
    const { kernel, seed, readContent } = this.#ground;
    this.#hash = { low: kernel.xxh3(from, PAGE_BYTES, seed), high: kernel.xxh3High() };
    const content = this.#contents.find(domain, this.#hash.low);
    if (content === NO_CONTENT) return NO_CONTENT;
    if (!readContent(content, this.#content)) {
      this.#contents.shun(content);
      return NO_CONTENT;
    }
    const to = this.#content;
    const isSame = this.#memory.compare(this.#memory, to, to + PAGE_BYTES, from, from + PAGE_BYTES) === 0;
    return isSame ? content : STRANGER;
  }
}
