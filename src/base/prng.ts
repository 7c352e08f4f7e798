/** Randomness from outside: the core draws from what it is given, so a seed replays it. */
export interface Prng {
  /** An integer, evenly drawn from `[0, below)`; `below` is 1 to 2^32. */
  below(below: number): number;
}

/**
 * Small, fast, good enough for simulations and tests: sfc32 by Chris Doty-Humphrey (PractRand), 128 bits of state.
 * Equal seeds give equal sequences on every machine. Not for secrets.
 */
export function seededPrng(seed: number): Prng {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  // The first outputs still show the seed's bits.
  for (let round = 0; round < 12; round++) next();
  return { below: (below) => Math.floor((next() / 2 ** 32) * below) };
}
