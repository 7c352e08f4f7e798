/**
 * A block face over plain memory that does what its contract says and, when told to, fails as a store can: full,
 * damaged, a commit that comes to nothing. Scribbles over the slack after a page, as codecs do.
 */
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { Durability } from '../../src/base/durability.js';
import type { Address } from '../../src/base/ids.js';
import type { PageMemory } from '../../src/base/page-memory.js';
import { PAGE_BYTES } from '../../src/base/units.js';
import { type BlockFace, FLUSH_PAGES_MAX, ReadOutcome, WriteOutcome } from '../../src/hooks/block-face.js';
import { assert } from '../../src/base/assert.js';

const SLACK_BYTES = 64;

export class MemoryFace implements BlockFace {
  readonly sizeBytes: number;
  /** Pages whose writes are refused. */
  readonly full: Set<number> = new Set<number>();
  /** Pages that were stored and cannot be read, until they are written wholly or flushed. */
  readonly damaged: Set<number> = new Set<number>();
  /** So many commits that have something to make durable will come to nothing. */
  failingCommits = 0;
  /** In what way. */
  failure: CommitOutcome = CommitOutcome.full;
  commits = 0;
  durability: Durability | undefined;

  readonly #memory: Uint8Array;
  readonly #data: Uint8Array;
  readonly #present: Uint8Array;
  #undo: { page: number; present: number; data: Uint8Array }[] = [];

  constructor(memory: PageMemory, sizeBytes: number, durability?: Durability) {
    this.durability = durability;
    this.sizeBytes = sizeBytes;
    this.#memory = memory.bytes;
    this.#data = new Uint8Array(sizeBytes);
    this.#present = new Uint8Array(sizeBytes / PAGE_BYTES);
  }

  readPage(page: number, to: Address): ReadOutcome {
    // The slack belongs to whoever decompresses.
    this.#memory.fill(0xa5, to + PAGE_BYTES, to + PAGE_BYTES + SLACK_BYTES);
    return this.readPart(page, 0, PAGE_BYTES, to);
  }

  readPart(page: number, start: number, length: number, to: Address): ReadOutcome {
    this.#checkPart(page, start, length);
    if (this.damaged.has(page)) return ReadOutcome.damaged;
    if (this.#present[page] === 0) return ReadOutcome.hole;
    const from = page * PAGE_BYTES + start;
    this.#memory.set(this.#data.subarray(from, from + length), to);
    return ReadOutcome.data;
  }

  writePage(page: number, from: Address): WriteOutcome {
    if (!this.full.has(page)) this.damaged.delete(page);
    return this.writePart(page, 0, PAGE_BYTES, from);
  }

  writePart(page: number, start: number, length: number, from: Address): WriteOutcome {
    this.#checkPart(page, start, length);
    const refusal = this.#refusal(page);
    if (refusal !== WriteOutcome.stored) return refusal;
    this.#remember(page);
    this.#data.set(this.#memory.subarray(from, from + length), page * PAGE_BYTES + start);
    this.#present[page] = 1;
    return WriteOutcome.stored;
  }

  zeroPart(page: number, start: number, length: number): WriteOutcome {
    this.#checkPart(page, start, length);
    const refusal = this.#refusal(page);
    if (refusal !== WriteOutcome.stored || this.#present[page] === 0) return refusal;
    this.#remember(page);
    this.#data.fill(0, page * PAGE_BYTES + start, page * PAGE_BYTES + start + length);
    return WriteOutcome.stored;
  }

  flushPages(first: number, count: number): void {
    assert(count > 0 && count <= FLUSH_PAGES_MAX, 'flush within its bound');
    assert(first >= 0 && (first + count) * PAGE_BYTES <= this.sizeBytes, 'flush inside the export');
    if (this.failingCommits > 0) for (let page = first; page < first + count; page++) this.#remember(page);
    for (const page of this.damaged) if (page >= first && page < first + count) this.damaged.delete(page);
    this.#data.fill(0, first * PAGE_BYTES, (first + count) * PAGE_BYTES);
    this.#present.fill(0, first, first + count);
  }

  endOfRun(first: number, end: number): number {
    assert(first < end && end * PAGE_BYTES <= this.sizeBytes, 'run inside the export');
    let page = first;
    if (this.damaged.size > 0) while (page < end && this.isHole(page) === this.isHole(first)) page++;
    else while (page < end && this.#present[page] === this.#present[first]) page++;
    return page;
  }

  isHole(page: number): boolean {
    return this.#present[page] === 0 && !this.damaged.has(page);
  }

  /** What it is, whether or not it could be read. */
  pageNow(page: number): Uint8Array {
    return this.#data.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  }

  commit(): CommitOutcome {
    this.commits++;
    const failed = this.failingCommits > 0;
    if (failed) {
      this.failingCommits--;
      for (const { page, present, data } of this.#undo.toReversed()) {
        this.#present[page] = present;
        this.#data.set(data, page * PAGE_BYTES);
      }
    }
    this.#undo = [];
    return failed ? this.failure : CommitOutcome.done;
  }

  catchUp(): void {}

  #refusal(page: number): WriteOutcome {
    if (this.full.has(page)) return WriteOutcome.full;
    return this.damaged.has(page) ? WriteOutcome.damaged : WriteOutcome.stored;
  }

  #remember(page: number): void {
    if (this.failingCommits === 0) return;
    const data = this.#data.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    this.#undo.push({ page, present: this.#present[page] ?? 0, data });
  }

  #checkPart(page: number, start: number, length: number): void {
    assert(page >= 0 && (page + 1) * PAGE_BYTES <= this.sizeBytes, 'page inside the export');
    assert(length > 0 && start >= 0 && start + length <= PAGE_BYTES, 'part inside its page');
  }
}
