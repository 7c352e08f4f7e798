/**
 * Load on a part of an export that no other connection touches: random requests, several in flight, every reply
 * checked against a model. Requests that overlap are never in flight together, so what each page may be is known.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../src/base/prng.js';
import { PAGE_BYTES } from '../../src/base/units.js';
import { type NbdClient, NbdReplyError } from './nbd-client.js';
import { PageModel } from './page-model.js';
import { versionedPage } from './versioned-page.js';

const SECTOR_BYTES = 512;
const REQUEST_BYTES_MAX = 64 * 1024;
const IN_FLIGHT = 8;
const READ_BYTES = 64 * 1024;
const ENOSPC = 28;
const ESHUTDOWN = 108;

export interface LaneCounts {
  acknowledged: number;
  unanswered: number;
  refused: number;
  reads: number;
}

export class NbdLane {
  readonly name: string;
  readonly model: PageModel;
  readonly counts: LaneCounts = { acknowledged: 0, unanswered: 0, refused: 0, reads: 0 };
  readonly #offset: number;
  readonly #prng: Prng;
  readonly #busy = new Set<number>();
  #version = 0;
  #ended = false;
  #wrong: string | undefined;

  /** Pages `[first, first + count)` of the disk. */
  constructor(name: string, first: number, count: number, prng: Prng) {
    this.name = name;
    this.#offset = first * PAGE_BYTES;
    this.model = new PageModel(count);
    this.#prng = prng;
  }

  /** Requests until the connection ends. @throws when anything was answered that the model does not allow */
  async load(client: NbdClient): Promise<void> {
    this.#ended = false;
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#requests(client)));
    this.#busy.clear();
    if (this.#wrong !== undefined) throw new Error(`${this.name}: ${this.#wrong}`);
  }

  /** Reads every page. @throws when one is not what it may be */
  async verify(client: NbdClient): Promise<void> {
    for (let at = 0; at < this.model.pages * PAGE_BYTES; at += READ_BYTES) {
      const length = Math.min(READ_BYTES, this.model.pages * PAGE_BYTES - at);
      const wrong = this.#check(at, await client.read(this.#offset + at, length));
      if (wrong !== undefined) throw new Error(`${this.name}: ${wrong}`);
    }
  }

  async #requests(client: NbdClient): Promise<void> {
    while (!this.#ended) {
      const { offset, length } = this.#anyExtent();
      const first = Math.floor(offset / PAGE_BYTES);
      const last = Math.floor((offset + length - 1) / PAGE_BYTES);
      const pages = Array.from({ length: last - first + 1 }, (_, n) => first + n);
      if (pages.some((page) => this.#busy.has(page))) {
        await sleep(0);
        continue;
      }
      for (const page of pages) this.#busy.add(page);
      await this.#request(client, offset, length, pages);
      for (const page of pages) this.#busy.delete(page);
    }
  }

  async #request(client: NbdClient, offset: number, length: number, pages: readonly number[]): Promise<void> {
    const at = this.#offset + offset;
    const dice = this.#prng.below(20);
    try {
      // A page of which two contents are possible must be read before it is changed in part.
      if (dice < 4 || !pages.every((page) => this.model.isKnown(page))) {
        const start = pages[0]! * PAGE_BYTES;
        const wrong = this.#check(start, await client.read(this.#offset + start, pages.length * PAGE_BYTES));
        this.counts.reads++;
        this.#wrong ??= wrong;
        if (wrong !== undefined) this.#ended = true;
      } else if (dice === 4) {
        // TRIM rounds inwards.
        const from = Math.ceil(offset / PAGE_BYTES) * PAGE_BYTES;
        const to = Math.floor((offset + length) / PAGE_BYTES) * PAGE_BYTES;
        await this.#change(this.model.changed(from, Math.max(0, to - from)), client.trim(at, length));
      } else if (dice === 5) {
        await this.#change(this.model.changed(offset, length), client.writeZeroes(at, length));
      } else if (dice === 6) {
        await client.flush();
      } else {
        const bytes = this.#anyBytes(offset, length);
        await this.#change(this.model.changed(offset, length, bytes), client.write(at, bytes));
      }
    } catch (error) {
      if (!(error instanceof NbdReplyError)) this.#ended = true;
      else if (error.error === ESHUTDOWN) this.#ended = true;
      else if (error.error !== ENOSPC) {
        this.#wrong ??= `request at ${at}, ${length} bytes: ${error.message}`;
        this.#ended = true;
      }
    }
  }

  async #change(changes: readonly { page: number; content: Uint8Array }[], answer: Promise<void>): Promise<void> {
    try {
      await answer;
      for (const { page, content } of changes) this.model.become(page, content);
      this.counts.acknowledged++;
    } catch (error) {
      for (const { page, content } of changes) this.model.mayBecome(page, content);
      if (error instanceof NbdReplyError) this.counts.refused++;
      else this.counts.unanswered++;
      throw error;
    }
  }

  #check(offset: number, bytes: Buffer): string | undefined {
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      const wrong = this.model.resolve((offset + at) / PAGE_BYTES, bytes.subarray(at, at + PAGE_BYTES));
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** Mostly single pages, as a guest swaps; then longer, and parts of pages by sectors. */
  #anyExtent(): { offset: number; length: number } {
    const whole = this.model.pages * PAGE_BYTES;
    const unit = this.#prng.below(4) === 0 ? SECTOR_BYTES : PAGE_BYTES;
    const most = this.#prng.below(3) === 0 ? REQUEST_BYTES_MAX : PAGE_BYTES;
    const length = unit * (1 + this.#prng.below(most / unit));
    return { offset: unit * this.#prng.below((whole - length) / unit + 1), length };
  }

  #anyBytes(offset: number, length: number): Buffer {
    const pages = Math.ceil(length / PAGE_BYTES);
    const parts = Array.from({ length: pages }, () => {
      // Half of them do not compress: that fills the arena.
      const version = 4 * ++this.#version + (this.#prng.below(2) === 0 ? 1 : this.#prng.below(4));
      return versionedPage(offset / SECTOR_BYTES, version);
    });
    return Buffer.concat(parts).subarray(0, length);
  }
}
