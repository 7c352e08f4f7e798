/**
 * The kernel: what is done to every byte of a page, in WebAssembly, on the one memory that pages pass through.
 *
 * The host makes the memory, sizes it once and imports it; this module owns the bytes below `heapBase()` (tables and
 * results, a few KiB), the host all others. Nothing here allocates, and nothing is remembered between calls but
 * what `resultAddress()` points at. `src/engine/kernel.ts` is the typed face of these exports and their only caller;
 * `src/engine/reference/` says the same in plain TypeScript, and the tests compare the two.
 *
 * Every buffer given to a function here must be followed by 64 bytes of slack: copies go by 16 or 32 bytes and
 * may read and write past the end of what they copy.
 */
export { sameFilled } from './same-filled';
export { compress } from './lz4-compress';
export { decompress } from './lz4-decompress';
export { xxh3 } from './xxh3';
export { decodePage, encodePage, headerValid, payloadValid, relocate, sealHeader } from './record';
export { resultAddress } from './result';

/** First byte that the host may use. */
export function heapBase(): usize {
  return __heap_base;
}
