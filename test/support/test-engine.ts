/** An engine on files in memory with one object to put pages in, for tests of the engine's own sentences. */
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import { type PageIndex, pageIndex, type Address } from '../../src/base/ids.js';
import type { SegmentBudget } from '../../src/base/segment-budget.js';
import type { SegmentFiles } from '../../src/base/segment-files.js';
import { KIB, PAGE_BYTES } from '../../src/base/units.js';
import type { Engine } from '../../src/engine/engine.js';
import { GetOutcome } from '../../src/engine/get-outcome.js';
import { PutOutcome } from '../../src/engine/put-outcome.js';
import { type Kernel, loadKernel } from '../../src/engine/kernel.js';
import { openEngine } from '../../src/engine/open-engine.js';
import type { RecoveredLog } from '../../src/engine/recovery.js';
import type { StoredObject } from '../../src/engine/stored-object.js';

/** Small, so that segments fill, are cleaned and used again within a few puts. */
export const TEST_SEGMENT_BYTES: number = 32 * KIB;

const POOL = new TextEncoder().encode('pool');
const OBJECT = new TextEncoder().encode('object');

/** Compiling the kernel takes longer than most tests; only one store at a time lives on it. */
let sharedKernel: Kernel | undefined;

export interface TestEngineOptions {
  readonly segments?: number;
  readonly segmentBytes?: number;
  readonly budget?: SegmentBudget;
  /** A kernel of its own, for a second store that lives at the same time. */
  readonly kernel?: Kernel;
}

export class TestEngine {
  readonly kernel: Kernel;
  readonly engine: Engine;
  readonly recovered: RecoveredLog;
  /** Where pages are put from and got to. */
  readonly page: Address;
  #object: StoredObject | undefined;

  /** Ends the life of whatever was opened before on the same kernel: without one, on that which all share. */
  constructor(files: SegmentFiles, options: TestEngineOptions = {}) {
    const { segments = 8, segmentBytes = TEST_SEGMENT_BYTES, budget, kernel } = options;
    this.kernel = kernel ?? (sharedKernel ??= loadKernel({ memoryBytes: 2048 * KIB }));
    this.kernel.reset();
    this.page = this.kernel.allocate(PAGE_BYTES);
    const capacityBytes = segments * segmentBytes;
    const arena = { low: 7, high: 9 };
    const opened = openEngine(this.kernel, files, { segmentBytes, capacityBytes, budget, arena });
    this.engine = opened.engine;
    this.recovered = opened.recovered;
    for (const pool of this.engine.pools) for (const object of pool.objects) this.#object ??= object;
  }

  /** The only object; made when it is first asked for. */
  get object(): StoredObject {
    return (this.#object ??= this.engine.createObject(this.engine.createPool(POOL), OBJECT));
  }

  put(index: number, page: Uint8Array, room?: number): boolean {
    this.kernel.bytes.set(page, this.page);
    return this.engine.put(this.object, pageIndex(index), this.page, room) === PutOutcome.stored;
  }

  /** @returns whether it was done */
  commit(): boolean {
    return this.engine.commit() === CommitOutcome.done;
  }

  /** Puts and commits. */
  store(index: number, page: Uint8Array): boolean {
    return this.put(index, page) && this.commit();
  }

  flush(index: PageIndex | number, count = 1): void {
    if (count === 1) this.engine.flushPage(this.object, pageIndex(index));
    else this.engine.flushRange(this.object, pageIndex(index), count);
  }

  get(index: number): Buffer | 'missing' | 'damaged' {
    const outcome = this.engine.get(this.object, pageIndex(index), this.page);
    if (outcome === GetOutcome.miss) return 'missing';
    if (outcome === GetOutcome.damaged) return 'damaged';
    return Buffer.from(this.kernel.bytes.subarray(this.page, this.page + PAGE_BYTES));
  }

  has(index: number): boolean {
    return this.engine.has(this.object, pageIndex(index));
  }

  /** Upkeep until there is no more to do. */
  settle(slack = 0.1): void {
    for (let steps = 0; this.engine.maintain(slack, true); steps++) {
      if (steps > 100_000) throw new Error('maintenance comes to an end');
    }
  }
}
