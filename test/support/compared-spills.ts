/**
 * The spill files of the pools that are compared, and pages on their way back from them: what is called ends when chance
 * says so, in any order, and sometimes fails.
 */
import assert from 'node:assert/strict';
import type { FetchedPage } from '../../src/base/elsewhere.js';
import type { PageIndex } from '../../src/base/ids.js';
import type { Prng } from '../../src/base/prng.js';
import { MemorySpillFile } from '../../src/tier/memory-spill-file.js';
import type { PoolSpill } from '../../src/tmem/pool-spill.js';
import type { Tmem } from '../../src/tmem/tmem.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';

/** One call in so many fails. */
const CALLS_PER_FAULT = 20;

const CALLS_MAX = 8;

/** Pages that are held at once, on their way or here. */
const HELD_MAX = 20;

export interface HeldPage {
  readonly which: number;
  readonly object: bigint;
  readonly index: PageIndex;
  readonly fetched: FetchedPage;
}

export class ComparedSpills {
  readonly counts = { spilled: 0, back: 0, fetched: 0, gone: 0, spillFaults: 0, emptied: 0, retired: 0 };
  readonly #prng: Prng;
  /** By pool; it stays when the process dies. */
  readonly #files = new Map<number, MemorySpillFile>();
  /** Of pools that are no more. */
  readonly #retired = new Set<MemorySpillFile>();
  readonly #spills: PoolSpill[] = [];
  readonly #held: HeldPage[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** The pool is new, or was recovered: its file is too, or is the one that it had. */
  attach(tmem: Tmem, which: number, pool: TmemPool): void {
    let file = this.#files.get(which);
    if (file === undefined) this.#files.set(which, (file = new MemorySpillFile(this.#prng)));
    assert.ok(tmem.slotsEnd(pool) <= file.pagesFound, 'marks name slots that the file has');
    tmem.spillTo(pool, file);
    this.#spills.push(pool.spill!);
  }

  /** The pool is no more. */
  retire(which: number): void {
    const file = this.#files.get(which);
    if (file === undefined) return;
    this.#files.delete(which);
    this.#retired.add(file);
  }

  /** The process dies: calls under way are done, or not, or in part. */
  die(): void {
    for (const file of [...this.#files.values(), ...this.#retired]) file.crash();
    this.#retired.clear();
    this.#held.length = 0;
    this.#spills.length = 0;
  }

  /** Whether any call is under way. */
  get isBusy(): boolean {
    for (const file of this.#files.values()) if (file.waiting.size > 0) return true;
    for (const file of this.#retired) if (file.waiting.size > 0) return true;
    return false;
  }

  /** Some calls that are under way end: pages come and go by it. Between batches. */
  endCalls(): void {
    for (let calls = 1 + this.#prng.below(CALLS_MAX); calls > 0; calls--) this.endCall();
  }

  /** One call that is under way ends. Between batches: others' pages come and go by it. */
  endCall(): void {
    const busy = [...this.#files.values(), ...this.#retired].filter(({ waiting }) => waiting.size > 0);
    if (busy.length === 0) return;
    const file = busy[this.#prng.below(busy.length)]!;
    const call = [...file.waiting][this.#prng.below(file.waiting.size)]!;
    const fails = this.#prng.below(CALLS_PER_FAULT) === 0;
    if (fails) this.counts.spillFaults++;
    else if (call.kind === 'empty') this.counts.emptied++;
    call.end(fails ? (call.kind === 'write' && this.#prng.below(2) === 0 ? 'ENOSPC' : 'EIO') : undefined);
    this.#count();
    if (!this.#retired.has(file) || file.waiting.size > 0) return;
    assert.ok(fails || file.pagesFound === 0, 'what a pool leaves in its file goes with it');
    this.#retired.delete(file);
    this.counts.retired++;
  }

  /** @returns false: enough are held; this one is released */
  hold(page: HeldPage): void {
    this.#held.push(page);
    if (this.#held.length > HELD_MAX) this.releaseOne(() => undefined);
  }

  /** Between batches. @param expected - the page as it must be, where it is here; undefined: it is not looked at */
  releaseOne(expected: (page: HeldPage) => string | undefined): void {
    if (this.#held.length === 0) return;
    const [page] = this.#held.splice(this.#prng.below(this.#held.length), 1);
    const { fetched } = page!;
    assert.notEqual(fetched.state, 'damaged');
    if (fetched.state === 'gone') this.counts.gone++;
    if (fetched.state === 'here') {
      const wanted = expected(page!);
      if (wanted !== undefined) {
        this.counts.fetched++;
        assert.ok(latin1(fetched.bytes) === wanted, `page ${page!.index} is not what was spilled`);
      }
    }
    fetched.release();
  }

  /** Waits for the page, which is away. @returns undefined if it is not away any more, or its file could not be read */
  fetchNow(pool: TmemPool, object: bigint, index: PageIndex): string | undefined {
    const fetched = pool.fetch(object, index, () => {});
    for (let calls = 0; fetched.state === 'coming'; calls++) {
      assert.ok(calls < 1000, 'what is read arrives');
      this.endCall();
    }
    assert.notEqual(fetched.state, 'damaged');
    const bytes = fetched.state === 'here' ? latin1(fetched.bytes) : undefined;
    fetched.release();
    if (bytes !== undefined) this.counts.fetched++;
    return bytes;
  }

  #count(): void {
    for (const spill of this.#spills) {
      this.counts.spilled += spill.pagesOut;
      this.counts.back += spill.pagesBack;
      spill.pagesOut = spill.pagesBack = 0;
    }
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
