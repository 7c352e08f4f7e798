/**
 * Where functions leave what does not fit into their one return value, little-endian:
 *
 *      0                8            12           16
 *      ┌────────────────┬────────────┬────────────┐
 *      │ hash           │ stopped at │ reason     │
 *      │ u64, of xxh3   │ u32, scan  │ u32, scan  │
 *      └────────────────┴────────────┴────────────┘
 *
 * Through memory and not as an i64, because that is a BigInt outside and costs more than the hash of a header.
 */

const RESULT: usize = memory.data(16, 16);

export function resultAddress(): usize {
  return RESULT;
}

export function setHashResult(hash: u64): void {
  store<u64>(RESULT, hash);
}

export function setScanResult(stoppedAt: u32, reason: u32): void {
  store<u32>(RESULT, stoppedAt, 8);
  store<u32>(RESULT, reason, 12);
}
