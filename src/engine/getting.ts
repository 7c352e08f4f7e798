/**
 * Gets: a page from its record, staged or in a segment; of a shared page, from its content's.
 *
 * @hot Once per get.
 */
import { assert } from '../base/assert.js';
import { type Address, type PageIndex, pageIndex } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { NOT_STAGED } from './batch.js';
import { GetOutcome } from './get-outcome.js';
import type { Kernel } from './kernel.js';
import { DecodeResult } from './kernel-exports.js';
import { contentOfWord, isShared, isSpilled, payloadBytesOf } from './page-entry.js';
import { NO_CELL } from './page-table.js';
import { readOrZeros } from './read-around.js';
import { RECORD_BYTES_MAX, RECORD_HEADER_BYTES } from './record.js';
import type { Staging } from './staging.js';
import type { StoreIndex } from './store-index.js';
import type { StoredObject } from './stored-object.js';

export class Getting {
  /** Gets that found a record and could not vouch for it. */
  verifyFailures = 0;
  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #index: StoreIndex;
  readonly #staging: Staging;
  readonly #record: Address;

  constructor(kernel: Kernel, files: SegmentFiles, staging: Staging) {
    this.#kernel = kernel;
    this.#files = files;
    this.#index = staging.index;
    this.#staging = staging;
    this.#record = kernel.allocate(RECORD_BYTES_MAX);
  }

  /** The page to `to`. `cell` is its. One read of the arena. */
  read(object: StoredObject, index: PageIndex, cell: number, to: Address): GetOutcome {
    const { slab, segments } = this.#index;
    const location = slab.location(cell);
    const word = slab.word(cell);
    const newest = this.#staging.newestOf(object, index, cell);
    if (newest !== NOT_STAGED) {
      if (!this.#staging.isStore(newest)) return GetOutcome.miss;
      const staged = this.#staging.storeAt(newest);
      if (isShared(staged.word)) return this.readContent(contentOfWord(staged.word), to);
      return this.#decode(object, index, staged.record, staged.generation, staged.word, to);
    }
    if (location === 0) return GetOutcome.miss;
    if (isSpilled(word)) return GetOutcome.elsewhere;
    if (isShared(word)) return this.readContent(contentOfWord(word), to);
    const slot = segments.slotOf(location);
    const bytes = RECORD_HEADER_BYTES + payloadBytesOf(word);
    // Cut short from outside, or unreadable: what is missing must not be what the last get left here.
    readOrZeros(this.#files, slot, segments.offsetOf(location), this.#kernel.bytes, this.#record, bytes);
    return this.#decode(object, index, this.#record, segments.generationOf(slot), word, to);
  }

  /** A content that a page is; the index says where that page's mark is, this where its bytes are. */
  readContent(content: number, to: Address): GetOutcome {
    const object = this.#index.contents.objectOf(content);
    const cell = object?.table.find(content) ?? NO_CELL;
    assert(object !== undefined && cell !== NO_CELL, 'a content is there as long as a page is it');
    return this.read(object, pageIndex(content), cell, to);
  }

  /** `of` is the generation of the segment that the record belongs to. */
  #decode(object: StoredObject, index: PageIndex, record: Address, of: number, word: number, to: Address): GetOutcome {
    const outcome = this.#kernel.decodePage(record, payloadBytesOf(word), to, object.number, index, of);
    if (outcome === DecodeResult.done) return GetOutcome.hit;
    this.verifyFailures++;
    return GetOutcome.damaged;
  }
}
