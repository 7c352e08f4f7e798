/**
 * What a shard gives up when another has no room: first segments that it does not need for what it stores, then, where
 * its pages are worth less than what the other would lose, pages. It goes on serving meanwhile: a millisecond of
 * cleaning, then a round of the event loop.
 */
import type { Clock } from '../base/clock.js';
import type { RoomOffer, RoomWish } from '../base/shard-room.js';
import type { Engine } from '../engine/engine.js';
import { YieldOutcome } from '../engine/space.js';

/** Whoever in a shard can make pages go, where that loses nothing that was promised. */
export interface PageGiver {
  /** What the next page that would go is worth, in microseconds a byte; Infinity where none may. */
  readonly price: number;
  /**
   * Makes pages go that add up to about so many bytes as stored, or some of them: it is asked again. Between batches.
   *
   * @returns bytes that went; 0: nothing more can, for now
   */
  give(bytes: number): number | Promise<number>;
}

/** What a request has to wait for at most while room is made for others. */
const SLICE_US = 1000;

/** A file that is not gone by then is the disk's affair. */
const GONE_US_MAX = 500_000;

export interface RoomGiverOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly givers: readonly PageGiver[];
  /** Whether the files may be closed by now. */
  readonly isStopped: () => boolean;
}

export class RoomGiver {
  readonly #options: RoomGiverOptions;

  constructor(options: RoomGiverOptions) {
    this.#options = options;
  }

  offer(): RoomOffer {
    const price = this.#cheapest()?.price ?? Infinity;
    return { spareBytes: this.#options.engine.room.yieldableBytes(price < Infinity), price };
  }

  /** @returns bytes of segment files that are gone */
  async give({ bytes, price }: RoomWish): Promise<number> {
    const { engine, clock, isStopped } = this.#options;
    const { segmentBytes } = engine.segments;
    const inVain = new Set<PageGiver>();
    let given = 0;
    for (let untilUs = clock.nowUs() + SLICE_US; given < bytes && !isStopped();) {
      const giver = this.#cheapest(inVain);
      // Beyond what is cheap to do without, a shard that has pages to give up would give them up at its next put.
      const outcome = engine.yieldSegment(giver !== undefined);
      if (outcome === YieldOutcome.given) given += segmentBytes;
      if (outcome === YieldOutcome.none) {
        if (giver === undefined || giver.price >= price) break;
        if ((await giver.give(segmentBytes)) === 0) inVain.add(giver);
      }
      if (outcome !== YieldOutcome.waiting && clock.nowUs() < untilUs) continue;
      await (outcome === YieldOutcome.waiting ? aMoment() : nextRound());
      untilUs = clock.nowUs() + SLICE_US;
    }
    await this.#filesAreGone();
    return given;
  }

  /** In memory in the round after that in which they were removed; on a disk when the disk is done. */
  async #filesAreGone(): Promise<void> {
    const { clock, engine, isStopped } = this.#options;
    await nextRound();
    const untilUs = clock.nowUs() + GONE_US_MAX;
    while (engine.segments.files > engine.segments.filesKept && clock.nowUs() < untilUs && !isStopped())
      await aMoment();
  }

  #cheapest(inVain?: ReadonlySet<PageGiver>): PageGiver | undefined {
    const [first] = this.#options.givers
      .filter((giver) => giver.price < Infinity && inVain?.has(giver) !== true)
      .toSorted((a, b) => a.price - b.price);
    return first;
  }
}

function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

function nextRound(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
