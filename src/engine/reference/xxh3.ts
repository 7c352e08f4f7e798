/**
 * XXH3-64 as its specification reads, in exact integers, for tests alone. Every value is a bigint below 2^64; `u64`
 * cuts sums and products back to that.
 */

const PRIME32_1 = 0x9e3779b1n;
const PRIME32_2 = 0x85ebca77n;
const PRIME32_3 = 0xc2b2ae3dn;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MX1 = 0x165667919e3779f9n;
const PRIME_MX2 = 0x9fb21c651e98df25n;

const SECRET = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
    'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb' +
    '170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
);

const STRIPE_BYTES = 64;
const SECRET_STEP = 8;
const BLOCK_STRIPES = (SECRET.length - STRIPE_BYTES) / SECRET_STEP;

export function xxh3(input: Uint8Array, seed: bigint): bigint {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (bytes.length === 0) return avalanche64(seed ^ word64(SECRET, 56) ^ word64(SECRET, 64));
  if (bytes.length <= 3) return hash1to3(bytes, seed);
  if (bytes.length <= 8) return hash4to8(bytes, seed);
  if (bytes.length <= 16) return hash9to16(bytes, seed);
  if (bytes.length <= 128) return hash17to128(bytes, seed);
  if (bytes.length <= 240) return hash129to240(bytes, seed);
  return hashLong(bytes, seed);
}

function hash1to3(input: Buffer, seed: bigint): bigint {
  const first = input[0]!;
  const middle = input[input.length >> 1]!;
  const last = input.at(-1)!;
  const combined = BigInt(last) | (BigInt(input.length) << 8n) | (BigInt(first) << 16n) | (BigInt(middle) << 24n);
  return avalanche64(combined ^ u64((word32(SECRET, 0) ^ word32(SECRET, 4)) + seed));
}

function hash4to8(input: Buffer, seed: bigint): bigint {
  const mixedSeed = seed ^ (swap(seed & 0xffffffffn, 4) << 32n);
  const combined = word32(input, input.length - 4) + (word32(input, 0) << 32n);
  let hash = combined ^ u64((word64(SECRET, 8) ^ word64(SECRET, 16)) - mixedSeed);
  hash ^= rotate(hash, 49n) ^ rotate(hash, 24n);
  hash = u64(hash * PRIME_MX2);
  hash ^= u64((hash >> 35n) + BigInt(input.length));
  hash = u64(hash * PRIME_MX2);
  return hash ^ (hash >> 28n);
}

function hash9to16(input: Buffer, seed: bigint): bigint {
  const low = word64(input, 0) ^ u64((word64(SECRET, 24) ^ word64(SECRET, 32)) + seed);
  const high = word64(input, input.length - 8) ^ u64((word64(SECRET, 40) ^ word64(SECRET, 48)) - seed);
  return avalanche(BigInt(input.length) + swap(low, 8) + high + fold(low, high));
}

function hash17to128(input: Buffer, seed: bigint): bigint {
  let sum = BigInt(input.length) * PRIME64_1;
  const pairs = Math.ceil(input.length / 32);
  for (let pair = 0; pair < pairs; pair++) {
    sum += mix16(input, 16 * pair, 32 * pair, seed);
    sum += mix16(input, input.length - 16 * (pair + 1), 32 * pair + 16, seed);
  }
  return avalanche(sum);
}

function hash129to240(input: Buffer, seed: bigint): bigint {
  let sum = BigInt(input.length) * PRIME64_1;
  for (let round = 0; round < 8; round++) sum += mix16(input, 16 * round, 16 * round, seed);
  sum = avalanche(sum);
  const rounds = Math.floor(input.length / 16);
  for (let round = 8; round < rounds; round++) sum += mix16(input, 16 * round, 16 * (round - 8) + 3, seed);
  sum += mix16(input, input.length - 16, 136 - 17, seed);
  return avalanche(sum);
}

function hashLong(input: Buffer, seed: bigint): bigint {
  const secret = seededSecret(seed);
  const lanes = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];
  const stripes = Math.floor((input.length - 1) / STRIPE_BYTES);
  for (let stripe = 0; stripe < stripes; stripe++) {
    const inBlock = stripe % BLOCK_STRIPES;
    accumulate(lanes, input, stripe * STRIPE_BYTES, secret, inBlock * SECRET_STEP);
    if (inBlock === BLOCK_STRIPES - 1) scramble(lanes, secret);
  }
  accumulate(lanes, input, input.length - STRIPE_BYTES, secret, SECRET.length - STRIPE_BYTES - 7);
  let sum = BigInt(input.length) * PRIME64_1;
  for (let lane = 0; lane < 8; lane += 2) {
    const at = 11 + 8 * lane;
    sum += fold(lanes[lane]! ^ word64(secret, at), lanes[lane + 1]! ^ word64(secret, at + 8));
  }
  return avalanche(sum);
}

function accumulate(lanes: bigint[], input: Buffer, at: number, secret: Buffer, secretAt: number): void {
  for (let lane = 0; lane < 8; lane++) {
    const value = word64(input, at + 8 * lane);
    const keyed = value ^ word64(secret, secretAt + 8 * lane);
    lanes[lane ^ 1] = u64(lanes[lane ^ 1]! + value);
    lanes[lane] = u64(lanes[lane]! + (keyed & 0xffffffffn) * (keyed >> 32n));
  }
}

function scramble(lanes: bigint[], secret: Buffer): void {
  for (let lane = 0; lane < 8; lane++) {
    const key = word64(secret, SECRET.length - STRIPE_BYTES + 8 * lane);
    lanes[lane] = u64((lanes[lane]! ^ (lanes[lane]! >> 47n) ^ key) * PRIME32_1);
  }
}

function seededSecret(seed: bigint): Buffer {
  const secret = Buffer.alloc(SECRET.length);
  for (let at = 0; at < SECRET.length; at += 16) {
    secret.writeBigUInt64LE(u64(word64(SECRET, at) + seed), at);
    secret.writeBigUInt64LE(u64(word64(SECRET, at + 8) - seed), at + 8);
  }
  return secret;
}

function mix16(input: Buffer, at: number, secretAt: number, seed: bigint): bigint {
  return fold(
    word64(input, at) ^ u64(word64(SECRET, secretAt) + seed),
    word64(input, at + 8) ^ u64(word64(SECRET, secretAt + 8) - seed),
  );
}

function avalanche(sum: bigint): bigint {
  let hash = u64(sum);
  hash = u64((hash ^ (hash >> 37n)) * PRIME_MX1);
  return hash ^ (hash >> 32n);
}

function avalanche64(start: bigint): bigint {
  let hash = start;
  hash = u64((hash ^ (hash >> 33n)) * PRIME64_2);
  hash = u64((hash ^ (hash >> 29n)) * PRIME64_3);
  return hash ^ (hash >> 32n);
}

function fold(a: bigint, b: bigint): bigint {
  const product = a * b;
  return u64(product) ^ (product >> 64n);
}

function rotate(value: bigint, bits: bigint): bigint {
  return u64(value << bits) | (value >> (64n - bits));
}

function swap(value: bigint, bytes: number): bigint {
  let swapped = 0n;
  for (let i = 0n; i < BigInt(bytes); i++) swapped = (swapped << 8n) | ((value >> (8n * i)) & 0xffn);
  return swapped;
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function word32(from: Buffer, at: number): bigint {
  return BigInt(from.readUInt32LE(at));
}

function word64(from: Buffer, at: number): bigint {
  return from.readBigUInt64LE(at);
}
