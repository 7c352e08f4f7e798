import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { address } from '../base/ids.js';
import { loadKernel } from './kernel.js';
import { xxh3 } from './reference/xxh3.js';

const kernel = loadKernel({ memoryBytes: 128 * 1024 });
const inputAt = kernel.allocate(8192);

/**
 * XXH3-64 of the first bytes of {@link sanityBuffer}: the vectors of xxHash's own sanity check with seed 0 and its
 * seed PRIME64, and a seed that a number holds. Both sides of every change of way, and of the block of 1024 bytes.
 */
const SANITY_SEED = 0x9e3779b185ebca8dn;
const VECTORS: readonly [bytes: number, unseeded: bigint, seeded: bigint, seed7: bigint][] = [
  [0, 0x2d06800538d394c2n, 0xa8a6b918b2f0364an, 0x913ae0873e9b7eb8n],
  [1, 0xc44bdff4074eecdbn, 0x032be332dd766ef8n, 0x2c45aa60ff5dc0e5n],
  [2, 0x7a9978044cb8a8bbn, 0x764b35c90519ad88n, 0x7e59ec3c89a19894n],
  [3, 0x54247382a8d6b94dn, 0x634b8990b4976373n, 0xf848689f1de7a447n],
  [4, 0xe5dc74bc51848a51n, 0xaa2e7eccb0c8f747n, 0x234face0fa6c2dd0n],
  [6, 0x27b56a84cd2d7325n, 0x84589c116ab59ab9n, 0x99280ea172b9a15en],
  [8, 0x24ccc9acaa9f65e4n, 0x8f973410999b8f6bn, 0xc362f375d2f9d9cfn],
  [9, 0x14d5001c15dd3f2bn, 0xb3ae7333d9013f60n, 0x115b42b7b946fc85n],
  [12, 0xa713daf0dfbb77e7n, 0xe7303e1b2336de0en, 0x8758f5961fabac2en],
  [16, 0x981b17d36c7498c9n, 0x663f29333b4db6b1n, 0x75d232093013f922n],
  [17, 0x796f5acd3a60f862n, 0xf3ec5067f4306db3n, 0x1aab3ae68ff77ea3n],
  [24, 0xa3fe70bf9d3510ebn, 0x850e80fc35bdd690n, 0x310d930cf6600a83n],
  [48, 0x397da259ecba1f11n, 0xadc2cbaa44acc616n, 0x81ebe3aca23b812cn],
  [80, 0xbcdefbbb2c47c90an, 0xc6dd0cb699532e73n, 0x83e41c93dceb76dbn],
  [128, 0xfcff24126754d861n, 0x73fde75280646649n, 0x01555c7ac5326df4n],
  [129, 0x98f1b0a679a2ca29n, 0x21fffdbca099c844n, 0xe5bece7bab45a03dn],
  [195, 0xcd94217ee362ec3an, 0xba68003d370cb3d9n, 0x9a4d2ed9cceaa6a4n],
  [240, 0x81c3c2b67f568ccfn, 0xcc0f58c27ef3d8een, 0x60425fd079929dfbn],
  [241, 0xc5a639ecd2030e5en, 0xdda9b0a161d4829an, 0x1907775a13bad9b1n],
  [403, 0xcdeb804d65c6dea4n, 0x6259f6ecfd6443fdn, 0x0ee7758475928593n],
  [512, 0x617e49599013cb6bn, 0x3ce457de14c27708n, 0xb7445f51a6267eacn],
  [1024, 0xdd85c9b5c1109c5cn, 0xef368a8a2ebabaefn, 0x146a9ea6da8e310cn],
  [1025, 0xd870c0fa13211c6an, 0x96792bcf9af88519n, 0xaf9efeaf11c461c7n],
  [2048, 0xdd59e2c3a5f038e0n, 0x66f81670669ababcn, 0x1b293ea8572ae639n],
  [2240, 0x6e73a90539cf2948n, 0x757ba8487d1b5247n, 0x6a1d118ee8a86610n],
  [2367, 0xcb37aeb9e5d361edn, 0xd2db3415b942b42an, 0x48d6dbc99f47b956n],
  [4096, 0xe91206429d1f48f9n, 0x2a3bbb20a5439dcdn, 0x42bd2d503dbe855cn],
  [4099, 0x318d235aba648b01n, 0x7849f825702b5c2fn, 0x48ace408b1c59c54n],
];

for (const [bytes, unseeded, seeded, seed7] of VECTORS) {
  test(`${bytes} bytes hash as xxHash says`, () => {
    const input = sanityBuffer(bytes);
    assert.equal(hash(input, 0), unseeded);
    assert.equal(hash(input, 7), seed7);
    assert.equal(xxh3(input, 0n), unseeded);
    assert.equal(xxh3(input, SANITY_SEED), seeded);
    assert.equal(xxh3(input, 7n), seed7);
  });
}

test('any bytes at any place hash as the reference says, with any seed', () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 260 }), fc.uint8Array({ maxLength: 5000, size: 'max' }));
  fc.assert(
    fc.property(bytes, fc.maxSafeNat(), fc.nat(63), (input, seed, shift) => {
      assert.equal(hash(input, seed, shift), xxh3(input, BigInt(seed)));
    }),
    { numRuns: 300 },
  );
});

test('every length up to a block and a bit hashes as the reference says', () => {
  const input = sanityBuffer(1200);
  for (let bytes = 0; bytes <= input.length; bytes++) {
    assert.equal(hash(input.subarray(0, bytes), 1), xxh3(input.subarray(0, bytes), 1n), `${bytes} bytes`);
  }
});

function hash(input: Uint8Array, seed: number, shift = 0): bigint {
  const at = address(inputAt + shift);
  kernel.bytes.set(input, at);
  const low = kernel.xxh3(at, input.length, seed);
  return (BigInt(kernel.xxh3High()) << 32n) | BigInt(low);
}

/** The bytes that xxHash checks itself with. */
function sanityBuffer(bytes: number): Uint8Array {
  let state = 2654435761n;
  return Uint8Array.from({ length: bytes }, () => {
    const byte = Number(state >> 56n);
    state = BigInt.asUintN(64, state * 11400714785074694797n);
    return byte;
  });
}
