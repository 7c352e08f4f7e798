/** Time from outside: the core reads none, the shell passes it in, and tests and the lab make their own. */
export interface Clock {
  /** Microseconds of a clock that never goes back; only differences mean something. */
  nowUs(): number;
}

export const systemClock: Clock = { nowUs: () => performance.now() * 1000 };
