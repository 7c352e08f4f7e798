/**
 * Where the 64-bit hash of `xxh3` is left, little-endian: through memory and not as an i64, because that is a BigInt
 * outside and costs more than the hash of a header.
 */

const RESULT: usize = memory.data(8, 16);

export function resultAddress(): usize {
  return RESULT;
}

export function setHashResult(hash: u64): void {
  store<u64>(RESULT, hash);
}
