/** Of all spill files of a process together: one thread is left for others. */
export const SPILL_CALLS_AT_ONCE = 3;

/** Begins the call, unless nobody wants it any more. @returns whether it is under way, to end in {@link CallGate.leave} */
export type BeginCall = () => boolean;

/**
 * How many calls to spill files are under way at once. Node has four threads for the calls of all files of the process;
 * a disk that hangs would take every one of them, and with them the syncs of an arena that is on another disk.
 *
 * Reads go before what waits with them, one for one: a guest waits for a read, and what makes room must not starve.
 */
export class CallGate {
  #free: number;
  readonly #reads = new Fifo();
  readonly #others = new Fifo();
  #wasRead = false;

  /** @param atOnce - shared by all files that are given this gate */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  enter(isRead: boolean, begin: BeginCall): void {
    (isRead ? this.#reads : this.#others).add(begin);
    this.#fill();
  }

  leave(): void {
    this.#free++;
    this.#fill();
  }

  #fill(): void {
    while (this.#free > 0) {
      const begin = this.#next();
      if (begin === undefined) return;
      this.#free--;
      if (!begin()) this.#free++;
    }
  }

  #next(): BeginCall | undefined {
    const isRead = this.#others.isEmpty || (!this.#wasRead && !this.#reads.isEmpty);
    this.#wasRead = isRead;
    return (isRead ? this.#reads : this.#others).take();
  }
}

/** First in, first out, whose cost does not grow with those that wait. */
class Fifo {
  #calls: BeginCall[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#calls.length;
  }

  add(call: BeginCall): void {
    this.#calls.push(call);
  }

  take(): BeginCall | undefined {
    if (this.isEmpty) return undefined;
    const call = this.#calls[this.#head++];
    if (this.#head * 2 > this.#calls.length) {
      this.#calls = this.#calls.slice(this.#head);
      this.#head = 0;
    }
    return call;
  }
}
