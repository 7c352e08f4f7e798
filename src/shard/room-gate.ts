/**
 * What a shard does when it has no room and others may have: it says so to the host, once, and until the answer comes
 * the changes that would be refused wait. A shard that has pages of its own to give up does not wait: it gives them up,
 * and says so as well, because others may hold some that are worth less.
 *
 *      change ─▶ room? ─yes─▶ goes on
 *                  │ no
 *                  └─▶ wish ─▶ host ─▶ another shard gives a segment up ─▶ answer ─▶ asks again
 *
 * Where nobody had anything to give it is not asked again for a moment: then the store is full, and says so.
 */
import type { Clock } from '../base/clock.js';
import type { RoomWait } from '../base/room-wait.js';
import type { RoomWish } from '../base/shard-room.js';

/** After an answer of nothing. */
const IN_VAIN_US = 20_000;

/** Between two wishes of a shard that helps itself meanwhile. */
const PACE_US = 10_000;

/** How long what was given is kept from the slack of others, for those who waited to take it. */
const KEEP_MS = 5;

/**
 * A host that does not answer is no reason to keep a guest waiting for ever. An answer may take as long as a slow disk:
 * pages of others leave for it.
 */
const PATIENCE_MS = 5000;

export interface RoomGateOptions {
  readonly clock: Clock;
  /** How much is wished for at once: a segment. */
  readonly bytes: number;
  /** Whether a batch would find room. */
  readonly mayGrow: () => boolean;
  /** What the next page is worth that this shard could give up itself; Infinity where there is none. */
  readonly price: () => number;
  readonly wish: (wish: RoomWish) => void;
  /** Tells all shards that this one waits, or does not any more. */
  readonly want: (isMore: boolean) => void;
  /** Where a sync brings room as well. */
  readonly durability?: RoomWait | undefined;
  /** How long an answer is waited for, in milliseconds. */
  readonly patienceMs?: number;
}

export class RoomGate implements RoomWait {
  readonly #options: RoomGateOptions;
  #waiting: (() => void)[] = [];
  #patience: NodeJS.Timeout | undefined;
  /** Until then nobody is asked again, because nobody had anything; because pages that go are said already. */
  #inVainUntilUs = -Infinity;
  #saidUntilUs = -Infinity;
  #isClosed = false;

  constructor(options: RoomGateOptions) {
    this.#options = options;
  }

  mustWait(resume: () => void): boolean {
    const { durability, mayGrow, price } = this.#options;
    if (durability?.mustWait(resume) === true) return true;
    if (mayGrow() || this.#isClosed) return false;
    if (this.#options.clock.nowUs() < this.#inVainUntilUs) return false;
    const own = price();
    if (own !== Infinity) {
      this.onShort();
      return false;
    }
    this.#ask(own);
    this.#waiting.push(resume);
    return true;
  }

  /** Pages of this shard go for lack of room: if others are worth less, let those go from now on. */
  onShort(): void {
    if (this.#isClosed || this.#options.clock.nowUs() < Math.max(this.#inVainUntilUs, this.#saidUntilUs)) return;
    this.#ask(this.#options.price());
  }

  /** The answer to the wish that is under way. */
  given(bytes: number): void {
    if (this.#patience === undefined) return;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    const nowUs = this.#options.clock.nowUs();
    if (bytes === 0) this.#inVainUntilUs = nowUs + IN_VAIN_US;
    this.#saidUntilUs = nowUs + PACE_US;
    setTimeout(() => this.#options.want(false), KEEP_MS).unref();
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** Nobody waits any longer. */
  close(): void {
    this.#isClosed = true;
    this.given(0);
  }

  #ask(price: number): void {
    if (this.#patience !== undefined) return;
    this.#patience = setTimeout(() => this.given(0), this.#options.patienceMs ?? PATIENCE_MS);
    this.#options.want(true);
    this.#options.wish({ bytes: this.#options.bytes, price });
  }
}
