/**
 * Spreads the bits of a key over all 32, one to one: equal outputs mean equal keys. The finaliser of MurmurHash3
 * (Austin Appleby, public domain).
 */
export function mixed(key: number): number {
  let bits = key;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
