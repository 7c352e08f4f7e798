/**
 * What both crash simulators do with a store in one life: open it on files that crash, drive it with verbs in one
 * proportion, read pages that must be one of their versions, and tell the deaths that are meant from the mistakes.
 */
import { strict as assert } from 'node:assert';
import { AssertionError } from '../../src/base/assert.js';
import { systemCode } from '../../src/base/errors.js';
import { address, type Address, pageIndex, type PageIndex } from '../../src/base/ids.js';
import type { Prng } from '../../src/base/prng.js';
import { GetOutcome } from '../../src/engine/get-outcome.js';
import { PutOutcome } from '../../src/engine/put-outcome.js';
import { type Kernel, loadKernel } from '../../src/engine/kernel.js';
import { openEngine } from '../../src/engine/open-engine.js';
import type { CrashingSegmentFiles } from '../../src/io/crashing-segment-files.js';
import {
  fillPage,
  isEphemeral,
  OBJECTS_PER_POOL,
  PAGES_PER_OBJECT,
  POOLS,
  sharedContentOf,
  type Sharing,
  Store,
  type Version,
} from './simulated-store.js';

/** Tiny, so that segments are cleaned and used again all the time. */
export const SEGMENT_BYTES = 32_768;

/** Those of one more pool are ephemeral and end with each life. */
export const PAGES: number = (POOLS + 1) * OBJECTS_PER_POOL * PAGES_PER_OBJECT;

/** A batch that outgrows the engine's staging is committed early, in parts; servers' turns are shorter than that. */
export const BATCH_PAGES_MAX = 3;

const PAGES_PER_POOL = OBJECTS_PER_POOL * PAGES_PER_OBJECT;

/** What a simulator does for each verb, and remembers of it. */
export interface SimulatedVerbs {
  put(page: number): void;
  verify(page: number): void;
  commit(): boolean;
  /** To be done, now or when there is room: pages `[first, first + count)` will be gone. */
  flush(first: number, count: number, stage: () => void): void;
}

/** Compiling the kernel takes longer than a life. */
let sharedKernel: Kernel | undefined;

export class SimulatedLife {
  readonly store: Store;
  readonly droppedRecords: number;
  readonly #kernel: Kernel;
  readonly #prng: Prng;
  readonly #sharing: Sharing;
  readonly #page = address(0);
  readonly #expected = address(0);

  /** Recovers what the files hold. @throws Crash */
  constructor(files: CrashingSegmentFiles, prng: Prng, segments: number, sharing: Sharing) {
    this.#prng = prng;
    this.#kernel = sharedKernel ??= loadKernel({ memoryBytes: 2 * 1024 * 1024 });
    this.#kernel.reset();
    this.#page = this.#kernel.allocate(4096);
    this.#expected = this.#kernel.allocate(4096);
    const { engine, recovered } = openEngine(this.#kernel, files, {
      segmentBytes: SEGMENT_BYTES,
      capacityBytes: segments * SEGMENT_BYTES,
      arena: { low: 1, high: 2 },
    });
    this.droppedRecords = recovered.droppedRecords;
    this.#sharing = sharing;
    this.store = new Store(engine, sharing);
  }

  /** One verb on any page, mostly a put. */
  operate(verbs: SimulatedVerbs): void {
    const { store } = this;
    const page = this.#prng.below(PAGES);
    switch (this.#prng.below(16)) {
      case 0:
        return verbs.flush(page, 1, () => store.engine.flushPage(store.object(page), indexOf(page)));
      case 1:
        if (this.#prng.below(3) === 0) this.#flushRange(verbs, page);
        break;
      case 2:
        if (this.#prng.below(6) === 0) this.#flushObject(verbs, page);
        break;
      case 3:
        if (this.#prng.below(12) === 0) this.#flushPool(verbs, page);
        break;
      case 4:
        verbs.commit();
        break;
      case 5:
        verbs.commit();
        store.engine.catchUp();
        break;
      case 6:
        verbs.commit();
        for (let step = this.#prng.below(4); step > 0; step--) store.engine.maintain(0.1, true);
        break;
      case 7:
      case 8:
        verbs.verify(page);
        break;
      default:
        verbs.put(page);
    }
  }

  /** @returns whether it was stored, or there was no room */
  put(page: number, version: Version): boolean {
    this.#fill(this.#page, page, version);
    return this.store.engine.put(this.store.object(page), indexOf(page), this.#page) === PutOutcome.stored;
  }

  /** @returns which of these it is. @throws AssertionError where it is none */
  read(page: number, allowed: readonly Version[]): Version {
    const [kernel, to, expected] = [this.#kernel, this.#page, this.#expected];
    const object = this.store.find(page);
    const outcome = object === undefined ? GetOutcome.miss : this.store.engine.get(object, indexOf(page), to);
    assert.notEqual(outcome, GetOutcome.damaged, `page ${page} is damaged`);
    const got = kernel.bytes.subarray(to, to + 4096);
    const found = allowed.find((version) => {
      if (version === 0 || outcome === GetOutcome.miss) return version === 0 && outcome === GetOutcome.miss;
      this.#fill(expected, page, version);
      return Buffer.compare(got, kernel.bytes.subarray(expected, expected + 4096)) === 0;
    });
    const what = outcome === GetOutcome.miss ? 'missing' : 'another';
    assert.ok(found !== undefined, `page ${page} is none of ${allowed.join(', ')}: ${what}`);
    return found;
  }

  #fill(to: Address, page: number, version: Version): void {
    if (this.#sharing === 'none' || isEphemeral(page)) fillPage(this.#kernel, to, page, version);
    else fillPage(this.#kernel, to, 0, sharedContentOf(version));
  }

  #flushRange(verbs: SimulatedVerbs, page: number): void {
    const index = indexOf(page);
    const count = 1 + this.#prng.below(PAGES_PER_OBJECT - index);
    verbs.flush(page, count, () => this.store.engine.flushRange(this.store.object(page), index, count));
  }

  /** Committed at once: what is known of half-done flushes of whole objects stays simple. */
  #flushObject(verbs: SimulatedVerbs, page: number): void {
    const { store } = this;
    verbs.commit();
    verbs.flush(page - indexOf(page), PAGES_PER_OBJECT, () => store.engine.flushObject(store.object(page)));
    if (verbs.commit() || isEphemeral(page)) store.forget(page);
  }

  #flushPool(verbs: SimulatedVerbs, page: number): void {
    const { store } = this;
    verbs.commit();
    const first = page - (page % PAGES_PER_POOL);
    verbs.flush(first, PAGES_PER_POOL, () => store.engine.flushPool(store.object(page).pool));
    if (verbs.commit() || isEphemeral(page)) store.forgetPool(page);
  }
}

/**
 * Files that fail even while a failure is undone: the daemon ends itself, which is a crash like any other. Not so where no
 * file was to fail.
 */
export function isFatalFault(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const isFault = systemCode(error) !== undefined || systemCode(cause) !== undefined;
  return isFault && !(error instanceof AssertionError);
}

function indexOf(page: number): PageIndex {
  return pageIndex(page % PAGES_PER_OBJECT);
}
