/**
 * How long requests take, by command: from when the last input was read of which they are a part until their replies
 * were handed to the socket. Requests of a turn leave together, so the clock is read twice a turn, not twice a request.
 *
 * @hot One call a turn: no allocation.
 */

/** By the number of the command on the wire; nothing answers a DISC. */
export const LATENCY_COMMANDS: readonly string[] = [
  'read',
  'write',
  'disc',
  'flush',
  'trim',
  'cache',
  'write_zeroes',
  'block_status',
];

/** Upper bounds of the buckets, in microseconds; the last bucket, without a bound, is beyond them. */
export const LATENCY_BOUNDS_US: readonly number[] = [
  10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3, 200e3, 500e3, 1e6,
];

const COMMANDS: number = LATENCY_COMMANDS.length;
const BUCKETS: number = LATENCY_BOUNDS_US.length + 1;

/** Requests of one turn by command: filled by the transmission, taken by {@link Latencies.observe}. */
export class TurnTally {
  total = 0;
  readonly counts: Uint32Array = new Uint32Array(COMMANDS);

  /** A request is answered. One of a command that nobody knows is not counted. */
  add(command: number): void {
    if (command >= COMMANDS) return;
    this.total++;
    this.counts[command] = (this.counts[command] ?? 0) + 1;
  }
}

/** Of an export, since it was added. */
export class Latencies {
  /** Requests by command and bucket. Doubles: a disk answers 2^32 requests in a day. */
  readonly #counts = new Float64Array(COMMANDS * BUCKETS);
  readonly #sumsUs = new Float64Array(COMMANDS);

  /** Counts the requests of a turn that took so long, and empties the tally for the next. */
  observe(tally: TurnTally, us: number): void {
    let bucket = 0;
    while (bucket < BUCKETS - 1 && us > LATENCY_BOUNDS_US[bucket]!) bucket++;
    for (let command = 0; command < COMMANDS; command++) {
      const count = tally.counts[command]!;
      if (count === 0) continue;
      this.#counts[command * BUCKETS + bucket]! += count;
      this.#sumsUs[command]! += count * us;
      tally.counts[command] = 0;
    }
    tally.total = 0;
  }

  /** Of the commands that there were requests of. Counts are of each bucket alone. */
  report(): { command: string; counts: number[]; sumUs: number }[] {
    return LATENCY_COMMANDS.map((command, at) => ({
      command,
      counts: [...this.#counts.subarray(at * BUCKETS, (at + 1) * BUCKETS)],
      sumUs: this.#sumsUs[at]!,
    })).filter(({ counts }) => counts.some((count) => count > 0));
  }
}
