import fs from 'node:fs';
import { assert } from '../base/assert.js';
import type { SpillDone, SpillFile } from '../base/spill-file.js';
import { PAGE_BYTES } from '../base/units.js';
import type { CallGate } from './call-gate.js';

type Ended = (error: Error | null) => void;
type Moved = (error: Error | null, count: number) => void;

/** What of `node:fs` is used, so that a test can cut counts short and hold calls back. */
export interface FileCalls {
  read(descriptor: number, into: Uint8Array, from: number, length: number, at: number, done: Moved): void;
  write(descriptor: number, bytes: Uint8Array, from: number, length: number, at: number, done: Moved): void;
  fdatasync(descriptor: number, done: Ended): void;
  ftruncate(descriptor: number, length: number, done: Ended): void;
  close(descriptor: number, done: Ended): void;
}

export interface RealSpillFileParts {
  /** Open for reading and writing; the file's from now on. */
  readonly descriptor: number;
  /** Whole pages that it has now. */
  readonly pages: number;
  readonly gate: CallGate;
  /** Told once, when the descriptor is closed. */
  readonly onClosed: () => void;
  readonly calls?: FileCalls;
}

/** A spill file on a disk, made by `openSpillFile`. Calls of libuv with callbacks: no promise a page. */
export class RealSpillFile implements SpillFile {
  /** Whole pages that the file had when it was opened. */
  readonly pagesFound: number;
  readonly #descriptor: number;
  readonly #gate: CallGate;
  readonly #onClosed: () => void;
  readonly #calls: FileCalls;
  /** Calls that the kernel may be working on. */
  #underWay = 0;
  #isClosed = false;
  readonly #whenClosed: (() => void)[] = [];

  constructor({ descriptor, pages, gate, onClosed, calls = fs }: RealSpillFileParts) {
    this.#descriptor = descriptor;
    this.pagesFound = pages;
    this.#gate = gate;
    this.#onClosed = onClosed;
    this.#calls = calls;
  }

  write(slot: number, bytes: Uint8Array, done: SpillDone): void {
    assertPages(slot, bytes);
    this.#enter(false, done, (ended) => this.#writeRest(bytes, 0, slot * PAGE_BYTES, ended));
  }

  read(slot: number, into: Uint8Array, done: SpillDone): void {
    assertPages(slot, into);
    this.#enter(true, done, (ended) => this.#readRest(into, 0, slot * PAGE_BYTES, ended));
  }

  sync(done: SpillDone): void {
    this.#enter(false, done, (ended) => this.#calls.fdatasync(this.#descriptor, (error) => ended(error ?? undefined)));
  }

  empty(done: SpillDone): void {
    this.#enter(false, done, (ended) =>
      this.#calls.ftruncate(this.#descriptor, 0, (error) => ended(error ?? undefined)),
    );
  }

  /**
   * Returns at once. The descriptor is closed when the last call has ended: were it closed under one, its number could
   * be another file's by the time the call reaches the kernel.
   *
   * @param closed - told when that has come to pass, and the file may be opened again
   */
  close(closed?: () => void): void {
    if (closed !== undefined) this.#whenClosed.push(closed);
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#underWay === 0) this.#end();
  }

  #enter(isRead: boolean, done: SpillDone, call: (ended: SpillDone) => void): void {
    assert(!this.#isClosed, 'a spill file is in use until it is closed');
    this.#gate.enter(isRead, () => {
      if (this.#isClosed) return false;
      this.#underWay++;
      call((error) => {
        this.#underWay--;
        this.#gate.leave();
        if (!this.#isClosed) done(error);
        else if (this.#underWay === 0) this.#end();
      });
      return true;
    });
  }

  /** A short count is followed by the rest, or by the error that cut it short. */
  #writeRest(bytes: Uint8Array, from: number, at: number, ended: SpillDone): void {
    this.#calls.write(this.#descriptor, bytes, from, bytes.length - from, at + from, (error, count) => {
      if (error !== null) ended(error);
      else if (count === 0) ended(new CutShortError(`nothing more is written at byte ${at + from}`));
      else if (from + count === bytes.length) ended(undefined);
      else this.#writeRest(bytes, from + count, at, ended);
    });
  }

  #readRest(into: Uint8Array, from: number, at: number, ended: SpillDone): void {
    this.#calls.read(this.#descriptor, into, from, into.length - from, at + from, (error, count) => {
      if (error !== null) ended(error);
      else if (count === 0) ended(new CutShortError(`the spill file ends before byte ${at + into.length}`));
      else if (from + count === into.length) ended(undefined);
      else this.#readRest(into, from + count, at, ended);
    });
  }

  #end(): void {
    this.#calls.close(this.#descriptor, () => {
      this.#onClosed();
      for (const closed of this.#whenClosed) closed();
    });
  }
}

/** Less than the page is there, or gets there. */
export class CutShortError extends Error {
  readonly code = 'EIO';
}

/** Shared with every other kind: one page or more, from a slot on. */
export function assertPages(slot: number, { length }: Uint8Array): void {
  assert(length > 0 && length % PAGE_BYTES === 0, `${length} bytes are whole pages`);
  assert(Number.isSafeInteger(slot) && slot >= 0, `slot ${slot} is a number of a page`);
}
