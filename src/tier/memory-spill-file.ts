import { assert } from '../base/assert.js';
import type { Prng } from '../base/prng.js';
import type { SpillDone, SpillFile } from '../base/spill-file.js';
import { PAGE_BYTES } from '../base/units.js';
import { LossyBytes } from './lossy-bytes.js';
import { assertPages, CutShortError } from './real-spill-file.js';

/** A call under way. The one who ends it decides when, and how. */
export interface SpillCall {
  readonly kind: 'write' | 'read' | 'sync' | 'empty';
  /** The first page and how many; 0 of none for what is about the whole file. */
  readonly slot: number;
  readonly pages: number;

  /**
   * Now it is done, and whoever asked is told; with a fault it may have been done in part. Nothing happens where the
   * process has died meanwhile, or the file was closed.
   */
  end(fault?: SpillFault): void;
}

/** What a system call says of a disk that is full, or failing. */
export type SpillFault = 'ENOSPC' | 'EIO';

/** What was injected. */
export class SpillFaultError extends Error {
  readonly code: SpillFault;

  constructor(code: SpillFault) {
    super(`${code}: injected`);
    this.code = code;
  }
}

/**
 * A spill file in memory, for tests and the lab. It outlives those who use it: after {@link crash} or {@link losePower}
 * it is as the next process finds it, and is used again.
 *
 * Calls take effect when they end. Whoever was to be told when they begin, `onCall`, ends them: at once is too early,
 * `setImmediate` is a fast disk, a timer a slow one, a list that a test draws from is a disk in any order.
 */
export class MemorySpillFile implements SpillFile {
  /** Of the disk: a write that would make the file longer is ENOSPC. */
  roomPages: number = Infinity;
  /** Calls under way, oldest first. */
  readonly waiting: Set<SpillCall> = new Set();
  readonly #bytes: LossyBytes;
  readonly #prng: Prng;
  readonly #onCall: (call: SpillCall) => void;
  /** Of each call under way that changes something: what a crash leaves of it. */
  readonly #dying = new Map<SpillCall, () => void>();

  /**
   * @param prng - decides what a fault, a crash, a loss of power leaves behind
   * @param options.losesPower - keeps in mind what is not synced, which costs the memory of it
   */
  constructor(
    prng: Prng,
    options: { readonly onCall?: (call: SpillCall) => void; readonly losesPower?: boolean } = {},
  ) {
    this.#prng = prng;
    this.#onCall = options.onCall ?? (() => {});
    this.#bytes = new LossyBytes({ losesPower: options.losesPower ?? false });
  }

  /** The bytes themselves: what a test damages. */
  get bytes(): Uint8Array {
    return this.#bytes.now;
  }

  /** Whole pages that there are. */
  get pagesFound(): number {
    return Math.floor(this.bytes.length / PAGE_BYTES);
  }

  write(slot: number, bytes: Uint8Array, done: SpillDone): void {
    assertPages(slot, bytes);
    const at = slot * PAGE_BYTES;
    const before = bytes.slice();
    // A full disk takes what it has room for.
    const fitting = (): Uint8Array => {
      const end = Math.max(this.roomPages * PAGE_BYTES, this.bytes.length);
      return before.subarray(0, Math.max(0, end - at));
    };
    const tear = (): void => this.#bytes.writeTorn(at, fitting(), this.#prng);
    this.#begin({ kind: 'write', slot, pages: bytes.length / PAGE_BYTES }, done, tear, () => {
      assert(Buffer.compare(before, bytes) === 0, "bytes are the file's until their write has ended");
      const written = fitting();
      this.#bytes.write(at, written);
      return written.length === bytes.length ? undefined : new SpillFaultError('ENOSPC');
    });
  }

  read(slot: number, into: Uint8Array, done: SpillDone): void {
    assertPages(slot, into);
    const at = slot * PAGE_BYTES;
    const part = (): void => into.set(this.bytes.subarray(at, at + this.#prng.below(into.length + 1)));
    this.#begin({ kind: 'read', slot, pages: into.length / PAGE_BYTES }, done, part, () => {
      const found = this.bytes.subarray(at, at + into.length);
      into.set(found);
      return found.length === into.length ? undefined : new CutShortError('the spill file ends before that');
    });
  }

  sync(done: SpillDone): void {
    const covered = this.#bytes.changes;
    // A failed one takes with it what was changed while it was under way.
    const fail = (): void => this.#bytes.scatter(this.#bytes.changes, this.#prng);
    this.#begin({ kind: 'sync', slot: 0, pages: 0 }, done, fail, () => {
      this.#bytes.settle(covered);
      return undefined;
    });
  }

  empty(done: SpillDone): void {
    assert(this.waiting.size === 0, 'a spill file is emptied when no other call is under way');
    const perhaps = (): void => {
      if (this.#prng.below(2) === 0) this.#bytes.truncate();
    };
    this.#begin({ kind: 'empty', slot: 0, pages: 0 }, done, perhaps, () => {
      this.#bytes.truncate();
      return undefined;
    });
  }

  /** Calls under way are done or not, or in part; nobody is told. */
  close(): void {
    this.crash();
  }

  /** The process dies, the host does not. */
  crash(): void {
    const died = [...this.waiting].filter(({ kind }) => kind === 'write' || kind === 'empty');
    for (const call of died) this.#dying.get(call)!();
    this.waiting.clear();
    this.#dying.clear();
  }

  /** The host does. @throws AssertionError unless the file was made to lose power */
  losePower(): void {
    this.crash();
    this.#bytes.losePower(this.#prng);
  }

  #begin(
    about: Pick<SpillCall, 'kind' | 'slot' | 'pages'>,
    done: SpillDone,
    /** What is left where it fails on its way. */
    fail: () => void,
    succeed: () => Error | undefined,
  ): void {
    let isBegun = false;
    const call: SpillCall = {
      ...about,
      end: (fault) => {
        assert(isBegun, 'no call ends within itself');
        if (!this.waiting.delete(call)) return;
        this.#dying.delete(call);
        if (fault !== undefined) fail();
        done(fault === undefined ? succeed() : new SpillFaultError(fault));
      },
    };
    this.waiting.add(call);
    this.#dying.set(call, fail);
    this.#onCall(call);
    isBegun = true;
  }
}
