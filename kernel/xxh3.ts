/**
 * XXH3-64 of any length with any seed, bit-exact with xxHash 0.8 (the algorithm is published at xxhash.com; its
 * constants stand below). Lengths have five ways: 0, 1-3, 4-8, 9-16 and 17-240 bytes are mixed whole by scalar
 * multiplication; longer input runs through eight 64-bit lanes, here two to a vector, in stripes of 64 bytes, each
 * against its own 64 bytes of a fixed secret, sixteen stripes to a block.
 *
 * @hot Twice per page: 4096 bytes of it, 28 bytes of its record's header.
 */
import { setHashResult } from './result';

const PRIME32_1: u64 = 0x9e3779b1;
const PRIME32_2: u64 = 0x85ebca77;
const PRIME32_3: u64 = 0xc2b2ae3d;
const PRIME64_1: u64 = 0x9e3779b185ebca87;
const PRIME64_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME64_3: u64 = 0x165667b19e3779f9;
const PRIME64_4: u64 = 0x85ebca77c2b2ae63;
const PRIME64_5: u64 = 0x27d4eb2f165667c5;
const PRIME_MX1: u64 = 0x165667919e3779f9;
const PRIME_MX2: u64 = 0x9fb21c651e98df25;

const SECRET_BYTES: usize = 192;
const STRIPE_BYTES: usize = 64;
/** Neighbouring stripes of a block see the secret this far apart. */
const SECRET_STEP: usize = 8;

// prettier-ignore
const SECRET: usize = memory.data<u8>([
  0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
  0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
  0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
  0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
  0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
  0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
  0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
  0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
  0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
  0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
  0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
  0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
], 16);

/** The secret that a seed makes of {@link SECRET}, for the present call. */
const SEEDED_SECRET: usize = memory.data(192, 16);

/** Lanes of the long way, for {@link mergeLanes}. */
const LANES: usize = memory.data(64, 16);

/** Leaves the hash of `[at, at + bytes)` in the result, and returns its low word. */
export function xxh3(at: usize, bytes: usize, seedLow: u32, seedHigh: u32): u32 {
  const hash = xxh3Of(at, bytes, (<u64>seedLow) | ((<u64>seedHigh) << 32));
  setHashResult(hash);
  return <u32>hash;
}

export function xxh3Of(at: usize, bytes: usize, seed: u64): u64 {
  if (bytes > 240) return hashLong(at, bytes, seed == 0 ? SECRET : seededSecret(seed));
  if (bytes > 128) return hash129to240(at, bytes, seed);
  if (bytes > 16) return hash17to128(at, bytes, seed);
  if (bytes > 8) return hash9to16(at, bytes, seed);
  if (bytes > 3) return hash4to8(at, bytes, seed);
  if (bytes > 0) return hash1to3(at, bytes, seed);
  return avalanche64(seed ^ load<u64>(SECRET, 56) ^ load<u64>(SECRET, 64));
}

function hash1to3(at: usize, bytes: usize, seed: u64): u64 {
  const first = <u32>load<u8>(at);
  const middle = <u32>load<u8>(at + (bytes >> 1));
  const last = <u32>load<u8>(at + bytes - 1);
  const input = (first << 16) | (middle << 24) | last | ((<u32>bytes) << 8);
  return avalanche64((<u64>input) ^ (<u64>(load<u32>(SECRET) ^ load<u32>(SECRET, 4)) + seed));
}

function hash4to8(at: usize, bytes: usize, seed: u64): u64 {
  seed ^= (<u64>bswap(<u32>seed)) << 32;
  const input = <u64>load<u32>(at + bytes - 4) + ((<u64>load<u32>(at)) << 32);
  let hash = input ^ ((load<u64>(SECRET, 8) ^ load<u64>(SECRET, 16)) - seed);
  hash ^= rotl(hash, 49) ^ rotl(hash, 24);
  hash *= PRIME_MX2;
  hash ^= (hash >> 35) + <u64>bytes;
  hash *= PRIME_MX2;
  return hash ^ (hash >> 28);
}

function hash9to16(at: usize, bytes: usize, seed: u64): u64 {
  const low = load<u64>(at) ^ ((load<u64>(SECRET, 24) ^ load<u64>(SECRET, 32)) + seed);
  const high = load<u64>(at + bytes - 8) ^ ((load<u64>(SECRET, 40) ^ load<u64>(SECRET, 48)) - seed);
  return avalanche(<u64>bytes + bswap(low) + high + Mix.fold(low, high));
}

/** From both ends towards the middle, where the two may overlap. */
function hash17to128(at: usize, bytes: usize, seed: u64): u64 {
  let sum = <u64>bytes * PRIME64_1;
  for (let pair = (bytes - 1) >> 5; <isize>pair >= 0; pair--) {
    sum += Mix.sixteen(at + pair * 16, SECRET + pair * 32, seed);
    sum += Mix.sixteen(at + bytes - 16 - pair * 16, SECRET + 16 + pair * 32, seed);
  }
  return avalanche(sum);
}

function hash129to240(at: usize, bytes: usize, seed: u64): u64 {
  let sum = <u64>bytes * PRIME64_1;
  for (let i: usize = 0; i < 128; i += 16) sum += Mix.sixteen(at + i, SECRET + i, seed);
  sum = avalanche(sum);
  const wholeBytes = bytes & -16;
  for (let i: usize = 128; i < wholeBytes; i += 16) sum += Mix.sixteen(at + i, SECRET + 3 + i - 128, seed);
  sum += Mix.sixteen(at + bytes - 16, SECRET + 136 - 17, seed);
  return avalanche(sum);
}

function hashLong(at: usize, bytes: usize, secret: usize): u64 {
  let a = i64x2(PRIME32_3, PRIME64_1);
  let b = i64x2(PRIME64_2, PRIME64_3);
  let c = i64x2(PRIME64_4, PRIME32_2);
  let d = i64x2(PRIME64_5, PRIME32_1);
  const lastStripe = at + bytes - STRIPE_BYTES;
  const scrambleSecret = secret + SECRET_BYTES - STRIPE_BYTES;
  let stripeSecret = secret;
  // The last 64 bytes have a turn of their own, so a stripe that ends with the input is not taken here.
  while (at < lastStripe) {
    a = Lanes.add(a, at, stripeSecret);
    b = Lanes.add(b, at + 16, stripeSecret + 16);
    c = Lanes.add(c, at + 32, stripeSecret + 32);
    d = Lanes.add(d, at + 48, stripeSecret + 48);
    at += STRIPE_BYTES;
    stripeSecret += SECRET_STEP;
    if (stripeSecret == scrambleSecret) {
      a = Lanes.scramble(a, scrambleSecret);
      b = Lanes.scramble(b, scrambleSecret + 16);
      c = Lanes.scramble(c, scrambleSecret + 32);
      d = Lanes.scramble(d, scrambleSecret + 48);
      stripeSecret = secret;
    }
  }
  // Seven bytes early, so that this stripe never meets the secret it met in the loop.
  const lastSecret = scrambleSecret - 7;
  v128.store(LANES, Lanes.add(a, lastStripe, lastSecret));
  v128.store(LANES, Lanes.add(b, lastStripe + 16, lastSecret + 16), 16);
  v128.store(LANES, Lanes.add(c, lastStripe + 32, lastSecret + 32), 32);
  v128.store(LANES, Lanes.add(d, lastStripe + 48, lastSecret + 48), 48);
  return mergeLanes(secret + 11, <u64>bytes * PRIME64_1);
}

function mergeLanes(secret: usize, start: u64): u64 {
  let sum = start;
  for (let i: usize = 0; i < 64; i += 16) {
    sum += Mix.fold(load<u64>(LANES + i) ^ load<u64>(secret + i), load<u64>(LANES + i, 8) ^ load<u64>(secret + i, 8));
  }
  return avalanche(sum);
}

function seededSecret(seed: u64): usize {
  const shift = i64x2(seed, 0 - seed);
  for (let i: usize = 0; i < SECRET_BYTES; i += 16) {
    v128.store(SEEDED_SECRET + i, i64x2.add(v128.load(SECRET + i), shift));
  }
  return SEEDED_SECRET;
}

function avalanche(hash: u64): u64 {
  hash ^= hash >> 37;
  hash *= PRIME_MX1;
  return hash ^ (hash >> 32);
}

/** The end of XXH64, which the shortest inputs share. */
function avalanche64(hash: u64): u64 {
  hash ^= hash >> 33;
  hash *= PRIME64_2;
  hash ^= hash >> 29;
  hash *= PRIME64_3;
  return hash ^ (hash >> 32);
}

class Mix {
  /** The two halves of the 128-bit product, xored; WebAssembly multiplies 64 bits at most. */
  @inline
  static fold(a: u64, b: u64): u64 {
    const aLow = a & 0xffffffff;
    const aHigh = a >> 32;
    const bLow = b & 0xffffffff;
    const bHigh = b >> 32;
    const low = aLow * bLow;
    const middle = aHigh * bLow;
    const cross = (low >> 32) + (middle & 0xffffffff) + aLow * bHigh;
    return ((middle >> 32) + (cross >> 32) + aHigh * bHigh) ^ ((cross << 32) | (low & 0xffffffff));
  }

  @inline
  static sixteen(at: usize, secret: usize, seed: u64): u64 {
    return Mix.fold(load<u64>(at) ^ (load<u64>(secret) + seed), load<u64>(at, 8) ^ (load<u64>(secret, 8) - seed));
  }
}

class Lanes {
  /** Each lane gets the product of its own keyed halves, and its neighbour's input as it is. */
  @inline
  static add(lanes: v128, at: usize, secret: usize): v128 {
    const input = v128.load(at);
    const keyed = v128.xor(input, v128.load(secret));
    // The product of four 32-bit lanes is made of the lower two: bring both low halves there, and both high ones.
    const low = i8x16.shuffle(keyed, keyed, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11);
    const high = i8x16.shuffle(keyed, keyed, 4, 5, 6, 7, 12, 13, 14, 15, 4, 5, 6, 7, 12, 13, 14, 15);
    const swapped = i8x16.shuffle(input, input, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    return i64x2.add(i64x2.add(lanes, swapped), i64x2.extmul_low_i32x4_u(low, high));
  }

  @inline
  static scramble(lanes: v128, secret: usize): v128 {
    const mixed = v128.xor(v128.xor(lanes, i64x2.shr_u(lanes, 47)), v128.load(secret));
    return i64x2.mul(mixed, i64x2.splat(PRIME32_1));
  }
}
