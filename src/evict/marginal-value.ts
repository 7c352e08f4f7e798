import { PAGE_BYTES } from '../base/units.js';
import { addUp, type Claimant, type ClaimantGuest, type VictimPolicy, yields } from './claimant.js';
import type { EntryQueue } from './entry-queue.js';
import type { EntryTable } from './entry-table.js';

/**
 * The victim is the page whose loss costs least for the bytes it frees. What the next page of a claimant is worth is
 * read from the queue it stands in: hits in the queue's tail are those that a little less memory would have cost, and
 * where there are none, a page unused for longer is worth less.
 *
 *     value = price / bytes * (tail hits / max(8, tail pages) + epsilon / max(age, 0.001))
 *
 * with bytes as stored, age in gets over M, and M the memory in pages. Tail hits are halved every M/2 gets. A guest
 * with a {@link ReuseCurve} is also worth what a larger share would bring it, so that one which needs a great deal or
 * nothing is not starved on the way there.
 *
 * Reservations and caps are limits: what is reserved does not go, and whoever is above its cap goes first.
 */
export class MarginalValue implements VictimPolicy {
  readonly #table: EntryTable;
  readonly #memoryPages: number;
  readonly #tailBytes: number;
  readonly #halfLife: number;
  #halvedAt: number;
  #lookedAt: number;

  /** `memoryBytes` is what all claimants share. */
  constructor(table: EntryTable, memoryBytes: number) {
    this.#table = table;
    this.#memoryPages = Math.max(1, memoryBytes / PAGE_BYTES);
    this.#tailBytes = memoryBytes * TAIL_SHARE;
    this.#halfLife = Math.max(1, Math.round(this.#memoryPages * HALF_LIFE));
    this.#halvedAt = table.gets;
    this.#lookedAt = table.gets;
  }

  choose(claimants: readonly Claimant[], _requester: ClaimantGuest | null): Claimant | null {
    this.#keepTime(claimants);
    addUp(claimants);
    let chosen: Claimant | null = null;
    let value = Infinity;
    let overCap = false;
    for (let at = 0; at < claimants.length; at++) {
      const claimant = claimants[at]!;
      if (!yields(claimant)) continue;
      const itsOverCap = claimant.guest.heldBytes > claimant.guest.capBytes;
      if (overCap && !itsOverCap) continue;
      const itsValue = this.valueOf(claimant);
      if (itsOverCap === overCap && chosen !== null && itsValue >= value) continue;
      chosen = claimant;
      value = itsValue;
      overCap = itsOverCap;
    }
    return chosen;
  }

  /** Of the next page, in microseconds per byte; the scale is the same for all claimants. Not of an empty order. */
  valueOf({ guest, order, price }: Claimant): number {
    const queue = order.victimQueue!;
    const age = queue.oldestAge / this.#memoryPages;
    let hits = queue.tailHits / Math.max(TAIL_PAGES_MIN, queue.tailPages);
    if (guest.curve !== null) hits = Math.max(hits / HALF_LIFE, guest.curve.gain);
    return (price / bytesAPage(queue)) * (hits + EPSILON / Math.max(age, AGE_MIN));
  }

  #keepTime(claimants: readonly Claimant[]): void {
    for (let at = 0; at < claimants.length; at++) {
      const { queues } = claimants[at]!.order;
      for (let number = 0; number < queues.length; number++) queues[number]!.limitTail(this.#tailBytes);
    }
    const now = this.#table.gets;
    if ((now - this.#lookedAt) >>> 0 >= this.#memoryPages / LOOKS) {
      this.#lookedAt = now;
      addUp(claimants);
      for (let at = 0; at < claimants.length; at++) {
        const { guest } = claimants[at]!;
        guest.curve?.look(now, guest.heldPages);
      }
    }
    const passed = Math.floor(((now - this.#halvedAt) >>> 0) / this.#halfLife);
    this.#halvedAt = (this.#halvedAt + passed * this.#halfLife) >>> 0;
    // After so many halvings nothing is left to halve.
    for (let halving = Math.min(passed, 64); halving > 0; halving--) {
      for (let at = 0; at < claimants.length; at++) {
        const { queues } = claimants[at]!.order;
        for (let number = 0; number < queues.length; number++) queues[number]!.halveTailHits();
      }
    }
  }
}

/** Of the tail, whose pages go next; of the queue where no page came to the tail yet. */
function bytesAPage(queue: EntryQueue): number {
  const mean = queue.tailPages > 0 ? queue.tailBytes / queue.tailPages : queue.bytes / queue.pages;
  // Pages that take nothing free nothing.
  return Math.max(1, mean);
}

/** Of the memory; a queue's tail is no more than a quarter of it. 1 to 4 % do the same. */
export const TAIL_SHARE = 0.02;
/** A shorter tail says too little. */
export const TAIL_PAGES_MIN = 8;
/** In M gets. Half to one does; two or more forgets too slowly. */
export const HALF_LIFE = 0.5;
/** What age is worth beside hits. */
export const EPSILON = 0.07;
/** In M gets. */
export const AGE_MIN = 0.001;
/** Times in M gets that curves are looked at. */
export const LOOKS = 8;
