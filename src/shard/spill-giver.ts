/**
 * Room for other shards from persistent pages: those that nobody used lately leave for their spill files. Of all that can
 * be given it is the dearest, because each page is a write now and perhaps a read later; but whoever has nothing left to
 * give up itself would be refused, and gets it at any price.
 */
import type { Clock } from '../base/clock.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Engine } from '../engine/engine.js';
import type { Tmem } from '../tmem/tmem.js';
import type { PageGiver } from './room-giver.js';

/**
 * Microseconds for all that a store holds, by which a page gets its price: beyond every page that may just vanish, as in
 * one store alone. The more is held, the colder is what the hand finds: it costs less.
 */
const PRICE_OF_ALL_US = 1e15;

/** A disk on which no page has left for so long hangs, as far as others are concerned. */
const PATIENCE_US = 1e6;

/** Between two looks whether the shard stops. */
const LOOK_MS = 10;

/** A batch count that never was. */
const NEVER = -1;

export interface SpillGiverOptions {
  readonly engine: Engine;
  readonly tmem: Tmem;
  readonly clock: Clock;
  readonly isStopped: () => boolean;
}

export class SpillGiver implements PageGiver {
  readonly #options: SpillGiverOptions;
  /** The batches that had ended when the disk was found to hang: until the next one ends it is not asked again. */
  #hangsSince = NEVER;

  constructor(options: SpillGiverOptions) {
    this.#options = options;
  }

  /** Infinity where nothing can leave, or next to nothing is held: that is needed for what comes back. */
  get price(): number {
    const { engine, tmem } = this.#options;
    const { liveBytes, segmentBytes } = engine.segments;
    const { canSpill, batchesEnded } = tmem.spillProgress;
    if (!canSpill || batchesEnded === this.#hangsSince || liveBytes < segmentBytes) return Infinity;
    return PRICE_OF_ALL_US / liveBytes;
  }

  /** Until a batch has left, however much is asked for: then there may be a segment. */
  async give(): Promise<number> {
    const { tmem, clock, isStopped } = this.#options;
    const progress = tmem.spillProgress;
    const before = progress.pagesOut;
    const untilUs = clock.nowUs() + PATIENCE_US;
    while (!isStopped() && progress.canSpill && clock.nowUs() < untilUs) {
      await this.#aBatch();
      if (progress.pagesOut > before) return (progress.pagesOut - before) * PAGE_BYTES;
    }
    if (clock.nowUs() >= untilUs && progress.isWriting) this.#hangsSince = progress.batchesEnded;
    return 0;
  }

  #aBatch(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS);
      this.#options.tmem.waitForRoom(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
