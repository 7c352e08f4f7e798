/**
 * `kernel/index.ts` as WebAssembly shows it: every value is a 32-bit word, a 64-bit one goes as its low and its high
 * half, and what comes back is signed.
 */
export interface KernelExports {
  heapBase(): number;
  resultAddress(): number;
  sameFilled(page: number): number;
  compress(page: number, to: number, limit: number): number;
  decompress(block: number, bytes: number, to: number): number;
  xxh3(at: number, bytes: number, seedLow: number, seedHigh: number): number;
  encodePage(
    page: number,
    to: number,
    object: number,
    index: number,
    sequenceLow: number,
    sequenceHigh: number,
    generationLow: number,
    generationHigh: number,
  ): number;
  decodePage(
    record: number,
    available: number,
    to: number,
    object: number,
    index: number,
    generationLow: number,
    generationHigh: number,
  ): DecodeResult;
  payloadValid(record: number, available: number, scratch: number): number;
  sealHeader(
    record: number,
    payloadBytes: number,
    kind: number,
    object: number,
    index: number,
    sequenceLow: number,
    sequenceHigh: number,
    hashLow: number,
    hashHigh: number,
    generationLow: number,
    generationHigh: number,
  ): void;
  headerValid(record: number, generationLow: number, generationHigh: number): number;
  relocate(
    from: number,
    to: number,
    bytes: number,
    sequenceLow: number,
    sequenceHigh: number,
    generationLow: number,
    generationHigh: number,
  ): void;
}

export const DecodeResult = {
  done: 0,
  /** No record of this generation. */
  badCheck: 1,
  /** A record, but not of this page. */
  otherPage: 2,
  /** Not the bytes that were stored. */
  badPayload: 3,
  /** The record says that the page is lost. */
  lost: 4,
} as const;
export type DecodeResult = (typeof DecodeResult)[keyof typeof DecodeResult];
