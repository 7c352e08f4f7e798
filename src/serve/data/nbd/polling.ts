/**
 * Whether the shard's thread sleeps after a turn, or looks at its sockets a few times more first.
 *
 * A guest that waits for a page asks for the next one as soon as it has it. To a thread that has gone to sleep
 * meanwhile, that costs a wake-up: on a virtual machine some 8 us and as much CPU as a compressed page, of a round
 * trip of 27. So after a turn the thread stays awake for {@link LOOKS_MAX} rounds of the event loop, some 40 us, in
 * which everything else that the loop serves is served too.
 *
 * Where nothing comes in that time it was for nothing. Each such miss doubles the number of turns that are not
 * followed by looking, up to {@link SKIPPED_TURNS_MAX}; each hit halves it. So a guest that thinks for longer than
 * 40 us costs less than a microsecond a request, and an idle one nothing. (KVM's `halt_poll_ns` grows and shrinks in
 * the same manner.) Rounds are counted, not time: no clock is read.
 */

/** A round takes some 2.5 us. */
export const LOOKS_MAX = 16;

/** Most turns that a miss lets pass unlooked: where looking is always for nothing, it follows one turn in 65. */
export const SKIPPED_TURNS_MAX = 64;

export class Polling {
  readonly #nextRound: (look: () => void) => void;
  /** Looks left of those that are under way; 0 when the thread may sleep. */
  #looksLeft = 0;
  /** Turns that a miss costs, and turns still to be let pass. */
  #penalty = 0;
  #skipsLeft = 0;
  readonly #look = (): void => {
    if (--this.#looksLeft > 0) return this.#nextRound(this.#look);
    this.#penalty = Math.min(Math.max(1, this.#penalty * 2), SKIPPED_TURNS_MAX);
    this.#skipsLeft = this.#penalty;
  };

  /** @param nextRound - calls back in the event loop's next round, before which the loop does not sleep */
  constructor(nextRound: (look: () => void) => void = setImmediate) {
    this.#nextRound = nextRound;
  }

  /** To be called for each turn that began with input from a socket. @returns whether it came while the thread looked */
  onInput(): boolean {
    if (this.#looksLeft > 0) {
      this.#looksLeft = LOOKS_MAX;
      this.#penalty >>= 1;
      return true;
    }
    if (this.#skipsLeft > 0) {
      this.#skipsLeft--;
    } else {
      this.#looksLeft = LOOKS_MAX;
      this.#nextRound(this.#look);
    }
    return false;
  }
}
