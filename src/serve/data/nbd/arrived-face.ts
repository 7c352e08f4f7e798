/**
 * A face whose pages may be away, as the request under way sees it: with the pages that were fetched for it. Where the
 * face says that a page is away, what has arrived of it is taken instead.
 *
 * What has arrived is good as long as the page does not change in the store: when it does, it is gone from here at once,
 * and the face below knows the page.
 */
import type { CommitOutcome } from '../../../base/commit-outcome.js';
import type { Durability } from '../../../base/durability.js';
import type { Elsewhere, FetchedPage } from '../../../base/elsewhere.js';
import type { Address } from '../../../base/ids.js';
import type { RoomWait } from '../../../base/room-wait.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, ReadOutcome, WriteOutcome } from '../../../hooks/block-face.js';
import type { NbdBuffers } from './buffers.js';

/** By the page's number. */
export type FetchedPages = Map<number, FetchedPage>;

export class ArrivedFace implements BlockFace {
  readonly sizeBytes: number;
  readonly elsewhere: Elsewhere;
  readonly durability: Durability | undefined;
  readonly room: RoomWait | undefined;
  readonly #face: BlockFace;
  readonly #bytes: Uint8Array;
  readonly #scratch: Address;
  #pages: FetchedPages = new Map();

  constructor(face: BlockFace, elsewhere: Elsewhere, { memory, parkArea }: NbdBuffers) {
    this.sizeBytes = face.sizeBytes;
    this.elsewhere = elsewhere;
    this.durability = face.durability;
    this.room = face.room;
    this.#face = face;
    this.#bytes = memory.bytes;
    this.#scratch = parkArea;
  }

  /** For the request that begins now. */
  adopt(pages: FetchedPages): void {
    this.release();
    this.#pages = pages;
  }

  /** The request goes on later, and its pages with it. */
  part(): FetchedPages {
    const pages = this.#pages;
    this.#pages = new Map();
    return pages;
  }

  /** The request has come as far as this page. */
  releaseBefore(page: number): void {
    for (const [at, fetched] of this.#pages) {
      if (at >= page) continue;
      fetched.release();
      this.#pages.delete(at);
    }
  }

  /** The request, which is held, has come as far as this page and needs it, and it is away. Those up to `end` come with it. */
  want(page: number, end: number, arrived: () => void): void {
    this.releaseBefore(page);
    this.#pages.get(page)?.release();
    this.#pages.set(page, this.elsewhere.fetch(page, arrived));
    for (let next = page + 1; next < end; next++) {
      if (!this.#pages.has(next) && this.elsewhere.isAway(next)) {
        this.#pages.set(
          next,
          this.elsewhere.fetch(next, () => {}),
        );
      }
    }
  }

  /** The request is answered. */
  release(): void {
    if (this.#pages.size === 0) return;
    for (const fetched of this.#pages.values()) fetched.release();
    this.#pages.clear();
  }

  readPage(page: number, to: Address): ReadOutcome {
    const outcome = this.#face.readPage(page, to);
    return outcome === ReadOutcome.away ? this.#take(page, 0, PAGE_BYTES, to) : outcome;
  }

  readPart(page: number, start: number, length: number, to: Address): ReadOutcome {
    const outcome = this.#face.readPart(page, start, length, to);
    return outcome === ReadOutcome.away ? this.#take(page, start, length, to) : outcome;
  }

  writePage(page: number, from: Address): WriteOutcome {
    return this.#face.writePage(page, from);
  }

  writePart(page: number, start: number, length: number, from: Address): WriteOutcome {
    const outcome = this.#face.writePart(page, start, length, from);
    if (outcome !== WriteOutcome.away) return outcome;
    return this.#change(page, (at) => this.#bytes.copyWithin(at + start, from, from + length));
  }

  zeroPart(page: number, start: number, length: number): WriteOutcome {
    const outcome = this.#face.zeroPart(page, start, length);
    if (outcome !== WriteOutcome.away) return outcome;
    return this.#change(page, (at) => this.#bytes.fill(0, at + start, at + start + length));
  }

  flushPages(first: number, count: number): void {
    this.#face.flushPages(first, count);
  }

  endOfRun(first: number, end: number): number {
    return this.#face.endOfRun(first, end);
  }

  isHole(page: number): boolean {
    return this.#face.isHole(page);
  }

  commit(): CommitOutcome {
    return this.#face.commit();
  }

  catchUp(): void {
    this.#face.catchUp();
  }

  #take(page: number, start: number, length: number, to: Address): ReadOutcome {
    const fetched = this.#pages.get(page);
    if (fetched === undefined) return ReadOutcome.away;
    if (fetched.state === 'damaged') return ReadOutcome.damaged;
    if (fetched.state === 'failed') return ReadOutcome.unread;
    if (fetched.state !== 'here') return ReadOutcome.away;
    this.#bytes.set(fetched.bytes.subarray(start, start + length), to);
    return ReadOutcome.data;
  }

  /** The whole page, changed in part. */
  #change(page: number, change: (at: Address) => void): WriteOutcome {
    const outcome = this.#take(page, 0, PAGE_BYTES, this.#scratch);
    if (outcome === ReadOutcome.away) return WriteOutcome.away;
    if (outcome === ReadOutcome.damaged) return WriteOutcome.damaged;
    if (outcome === ReadOutcome.unread) return WriteOutcome.unread;
    change(this.#scratch);
    return this.#face.writePage(page, this.#scratch);
  }
}
