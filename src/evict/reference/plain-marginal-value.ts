/** Marginal value in plain words, over pages in arrays: what {@link MarginalValue} is compared with. */

export interface PlainPageInUse {
  readonly entry: number;
  bytes: number;
  usedAt: number;
}

export interface PlainClaimant {
  readonly guest: { readonly reservationBytes: number; readonly capBytes: number };
  readonly price: number;
  readonly mayYield: boolean;
  /** From the least to the most recently used. */
  readonly pages: PlainPageInUse[];
  tailHits: number;
}

export class PlainMarginalValue {
  readonly #memoryBytes: number;
  #halvings = 0;

  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
  }

  /** The shortest run of oldest pages with 2 % of memory or a quarter of the queue. */
  tailOf({ pages }: PlainClaimant): PlainPageInUse[] {
    const wanted = Math.min(0.02 * this.#memoryBytes, sumOf(pages) / 4);
    const tail: PlainPageInUse[] = [];
    while (sumOf(tail) < wanted) tail.push(pages[tail.length]!);
    return tail;
  }

  choose(claimants: readonly PlainClaimant[], now: number): PlainClaimant | null {
    const due = Math.floor(now / Math.max(1, Math.round((0.5 * this.#memoryBytes) / 4096)));
    for (; this.#halvings < due; this.#halvings++) for (const claimant of claimants) claimant.tailHits /= 2;
    const held = (of: PlainClaimant): number =>
      sumOf(claimants.filter(({ guest }) => guest === of.guest).flatMap(({ pages }) => pages));
    const able = claimants.filter(
      (each) =>
        each.mayYield &&
        each.pages.length > 0 &&
        (each.guest.reservationBytes === 0 || held(each) - 4160 >= each.guest.reservationBytes),
    );
    const over = able.filter((each) => held(each) > each.guest.capBytes);
    const asked = over.length > 0 ? over : able;
    return asked.toSorted((a, b) => this.#valueOf(a, now) - this.#valueOf(b, now))[0] ?? null;
  }

  #valueOf(claimant: PlainClaimant, now: number): number {
    const tail = this.tailOf(claimant);
    const of = tail.length > 0 ? tail : claimant.pages;
    const bytes = Math.max(1, sumOf(of) / of.length);
    const age = (now - claimant.pages[0]!.usedAt) / (this.#memoryBytes / 4096);
    return (claimant.price / bytes) * (claimant.tailHits / Math.max(8, tail.length) + 0.07 / Math.max(age, 0.001));
  }
}

function sumOf(pages: readonly PlainPageInUse[]): number {
  return pages.reduce((sum, { bytes }) => sum + bytes, 0);
}
