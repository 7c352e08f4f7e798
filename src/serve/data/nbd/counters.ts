/** What an export has served since it was added. Plain numbers, read by anyone in the shard at any time. */
export interface NbdCounters {
  /** Open now. */
  connections: number;
  /** Ever accepted; those refused for lack of room are not among them. */
  accepted: number;
  /** Requests carried out, by command. WRITE_ZEROES counts as `zeroes`, CACHE and BLOCK_STATUS as `others`. */
  reads: number;
  writes: number;
  zeroes: number;
  trims: number;
  flushes: number;
  others: number;
  readBytes: number;
  writtenBytes: number;
  /** Requests answered with an error. */
  errors: number;
}

export function newCounters(): NbdCounters {
  return {
    connections: 0,
    accepted: 0,
    reads: 0,
    writes: 0,
    zeroes: 0,
    trims: 0,
    flushes: 0,
    others: 0,
    readBytes: 0,
    writtenBytes: 0,
    errors: 0,
  };
}
