/**
 * How long requests take, by command: from when the last input was read of which they are a part until their replies
 * were handed to the socket. Requests of a turn leave together, so a turn is timed, not each request.
 *
 * Two looks at the clock cost 0.2 us, which is 2 % of a page that is read. So where turn follows turn without a pause
 * one in {@link TIMED_TURNS} is timed, and what the others answered counts as what it answered of the same command. All
 * requests are counted; beside a pause, however short, all are timed. A request that was parked is timed by itself.
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

/** Of so many turns in a row one is timed. */
export const TIMED_TURNS = 8;

/** The time of a turn whose beginning nobody has looked up. */
export const UNTIMED: number = -1;

const COMMANDS: number = LATENCY_COMMANDS.length;
const BUCKETS: number = LATENCY_BOUNDS_US.length + 1;

/** Requests of one turn by command: filled by the transmission, taken by {@link Latencies.observe}. */
export class TurnTally {
  total = 0;
  /** The least and the greatest command that there is one of: most turns have one kind. */
  least: number = COMMANDS;
  greatest = 0;
  readonly counts: Uint32Array = new Uint32Array(COMMANDS);

  /** A request is answered. One of a command that nobody knows is not counted. */
  add(command: number): void {
    if (command >= COMMANDS) return;
    this.total++;
    if (command < this.least) this.least = command;
    if (command > this.greatest) this.greatest = command;
    this.counts[command] = (this.counts[command] ?? 0) + 1;
  }
}

/** Of an export, since it was added. */
export class Latencies {
  /** Requests by command and bucket. Doubles: a disk answers 2^32 requests in a day. */
  readonly #counts = new Float64Array(COMMANDS * BUCKETS);
  readonly #sumsUs = new Float64Array(COMMANDS);
  /** Requests of turns that were not timed, until one of their command is. */
  readonly #pending = new Float64Array(COMMANDS);
  /** Of the latest timed one of each command. */
  readonly #latestUs = new Float64Array(COMMANDS).fill(UNTIMED);
  /** Of any. */
  #latestOfAllUs = 0;
  /** Turns since the one that was timed. The first of all is. */
  #untimed = TIMED_TURNS;

  /** Whether to look at the clock at the beginning of a turn. @param inARow - it follows another without a pause */
  wantsTime(inARow: boolean): boolean {
    return !inARow || this.#untimed >= TIMED_TURNS - 1;
  }

  /** Counts the requests of a turn that took so long, or {@link UNTIMED}, and empties the tally for the next. */
  observe(tally: TurnTally, us: number): void {
    const isTimed = us >= 0;
    for (let command = tally.least; command <= tally.greatest; command++) {
      const count = tally.counts[command]!;
      if (count === 0) continue;
      tally.counts[command] = 0;
      this.#pending[command]! += count;
      if (isTimed) this.#settle(command, us);
    }
    tally.total = tally.greatest = 0;
    tally.least = COMMANDS;
    this.#untimed = isTimed ? 0 : this.#untimed + 1;
    if (isTimed) this.#latestOfAllUs = us;
  }

  /** Counts one request, which took so long, whatever others of its turn did. */
  observeOne(command: number, us: number): void {
    if (command < COMMANDS) this.#count(command, 1, us);
  }

  /** Of the commands that there were requests of. Counts are of each bucket alone. */
  report(): { command: string; counts: number[]; sumUs: number }[] {
    for (let command = 0; command < COMMANDS; command++) {
      const latestUs = this.#latestUs[command]!;
      // The few that wait for a timed one: as the latest of their command, or as the latest of all.
      if (this.#pending[command]! > 0) this.#settle(command, latestUs >= 0 ? latestUs : this.#latestOfAllUs);
    }
    return LATENCY_COMMANDS.map((command, at) => ({
      command,
      counts: [...this.#counts.subarray(at * BUCKETS, (at + 1) * BUCKETS)],
      sumUs: this.#sumsUs[at]!,
    })).filter(({ counts }) => counts.some((count) => count > 0));
  }

  /** All that is pending of the command took so long. */
  #settle(command: number, us: number): void {
    const count = this.#pending[command]!;
    this.#pending[command] = 0;
    this.#count(command, count, us);
    this.#latestUs[command] = us;
  }

  #count(command: number, count: number, us: number): void {
    let bucket = 0;
    while (bucket < BUCKETS - 1 && us > LATENCY_BOUNDS_US[bucket]!) bucket++;
    this.#counts[command * BUCKETS + bucket]! += count;
    this.#sumsUs[command]! += count * us;
  }
}
