import type { SegmentSlot } from '../base/ids.js';
import type { Prng } from '../base/prng.js';
import type { FilesSync, SegmentFiles } from '../base/segment-files.js';
import { NoSpaceError } from './memory-segment-files.js';

/** The process is dead: whoever catches this drops the engine and opens another on the same files. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

class FaultError extends Error {
  readonly code = 'EIO';
}

/**
 * Files whose process dies at a chosen moment. Every call that changes a file is a boundary, and every boundary can
 * be the last: before it, after it, or in the middle of a write, of which then a prefix of any length remains. That
 * is what SIGKILL leaves of a `pwrite` to tmpfs, which copies page after page and looks for the signal between them
 * (measured: writes of 256 KiB and more are always torn).
 *
 * What a power loss leaves is the business of the files below: see `power-loss-files.ts`.
 */
export class CrashingSegmentFiles implements SegmentFiles {
  readonly syncing: FilesSync | undefined;
  readonly #files: SegmentFiles;
  readonly #prng: Prng;
  /** Changes until the crash; Infinity for never. */
  #changesLeft: number;
  /** Of how many writes one fails without a crash; 0 for none. */
  readonly #faultEvery: number;

  constructor(files: SegmentFiles, prng: Prng, changesLeft: number, faultEvery = 0) {
    this.#files = files;
    this.#prng = prng;
    this.#changesLeft = changesLeft;
    this.#faultEvery = faultEvery;
    this.syncing = files.syncing && this.#crashing(files.syncing);
  }

  list(): readonly { slot: SegmentSlot; bytes: number }[] {
    return this.#files.list();
  }

  create(slot: SegmentSlot, bytes: number): void {
    if (this.#dies()) {
      // The file is there, but not all of it.
      this.#files.create(slot, this.#prng.below(bytes + 1));
      throw new Crash();
    }
    this.#files.create(slot, bytes);
  }

  read(slot: SegmentSlot, at: number, into: Uint8Array, offset: number, length: number): number {
    return this.#files.read(slot, at, into, offset, length);
  }

  write(slot: SegmentSlot, at: number, from: Uint8Array, offset: number, length: number): void {
    if (this.#dies()) {
      this.#files.write(slot, at, from, offset, this.#prefixOf(length));
      throw new Crash();
    }
    if (this.#faultEvery > 0 && this.#prng.below(this.#faultEvery) === 0) {
      this.#files.write(slot, at, from, offset, this.#prefixOf(length));
      throw this.#prng.below(2) === 0 ? new NoSpaceError('injected') : new FaultError('injected');
    }
    this.#files.write(slot, at, from, offset, length);
  }

  remove(slot: SegmentSlot, done: () => void): void {
    if (this.#dies()) {
      // Removal is another thread's work: it may or may not have happened.
      if (this.#prng.below(2) === 0) this.#files.remove(slot, () => {});
      throw new Crash();
    }
    this.#files.remove(slot, done);
  }

  finishRemovals(): void {
    this.#files.finishRemovals();
  }

  close(): void {}

  /** To begin one changes nothing; to wait for one is long enough to die in. */
  #crashing(syncing: FilesSync): FilesSync {
    return {
      begin: (done) => syncing.begin(done),
      now: () => {
        const dies = this.#dies();
        if (!dies || this.#prng.below(2) === 0) syncing.now();
        if (dies) throw new Crash();
      },
    };
  }

  #dies(): boolean {
    return --this.#changesLeft < 0;
  }

  /** Any length, with the ends, the first bytes and whole records likelier than chance makes them. */
  #prefixOf(length: number): number {
    switch (this.#prng.below(4)) {
      case 0:
        return this.#prng.below(2) * length;
      case 1:
        return Math.min(length, this.#prng.below(64));
      case 2:
        return Math.min(length, 16 * this.#prng.below(1 + (length >>> 4)));
      default:
        return this.#prng.below(length + 1);
    }
  }
}
