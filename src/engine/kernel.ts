import { readFileSync } from 'node:fs';
import { assert, AssertionError } from '../base/assert.js';
import { address, type Address, type ObjectNumber, type PageIndex } from '../base/ids.js';
import type { PageMemory } from '../base/page-memory.js';
import type { DecodeResult, KernelExports } from './kernel-exports.js';

/**
 * The kernel's typed face, and the owner of its memory.
 *
 *      0                heapBase                                              memoryBytes
 *      ┌────────────────┬────────────┬────┬────────────┬────┬─────────────────┐
 *      │ kernel's own   │ region     │ 64 │ region     │ 64 │ not yet given   │
 *      └────────────────┴────────────┴────┴────────────┴────┴─────────────────┘
 *
 * Whatever address is given to a method must lie in a region from {@link PageMemory.allocate} and have the bytes
 * there that the method names, because WebAssembly checks no more than the end of the memory. The 64 bytes after a
 * region belong to wide copies. All methods are synchronous, allocate nothing and throw nothing.
 *
 * Sequences and generations are integers below 2^53.
 */
export interface Kernel extends PageMemory {
  /** Whether the page repeats its first 64-bit word. 0.2 us where it does not, 0.6 us where it does. */
  sameFilled(page: Address): boolean;

  /**
   * LZ4 block of the page, at `to`. About 5 us.
   *
   * @returns its bytes, at most `limit`; 0 when it may not fit
   */
  compress(page: Address, to: Address, limit: number): number;

  /** Whether the `bytes` bytes at `block` are the LZ4 block of one page, which then is at `to`. About 1.3 us. */
  decompress(block: Address, bytes: number, to: Address): boolean;

  /** Low word of the XXH3-64 of `bytes` bytes at `at`. 0.25 us a page. */
  xxh3(at: Address, bytes: number, seed: number): number;

  /** High word of the last {@link xxh3}. */
  xxh3High(): number;

  /**
   * Record of the page, at `to`, where there is room for `RECORD_BYTES_MAX`.
   *
   * @returns bytes of payload; 0 for a same-filled page
   */
  encodePage(
    page: Address,
    to: Address,
    object: ObjectNumber,
    index: PageIndex,
    sequence: number,
    generation: number,
  ): number;

  /** The page of the record, at `to`; undefined bytes there unless `done`. `available` bytes follow the header. */
  decodePage(
    record: Address,
    available: number,
    to: Address,
    object: ObjectNumber,
    index: PageIndex,
    generation: number,
  ): DecodeResult;

  /** Header before a payload that is in place, or before none; the rest of its last 16 bytes is zeroed. */
  sealHeader(record: Address, header: RecordHeader, generation: number): void;

  /** Whether a record of this generation starts here; says nothing of its payload. */
  headerValid(record: Address, generation: number): boolean;

  /** Whether the payload of a valid header is what was stored, for any kind of record. `scratch` holds a page. */
  payloadValid(record: Address, available: number, scratch: Address): boolean;

  /** Copies a record of `bytes` bytes, padding included; the copy differs in sequence and generation alone. */
  relocate(from: Address, to: Address, bytes: number, sequence: number, generation: number): void;

  /**
   * Mixes two words into every generation from here on. They are the arena's own and no client knows them, so no page
   * that a client stores can hold what would pass for a record of this arena.
   */
  saltGenerations(low: number, high: number): void;

  /** Takes every region back. Whoever has one must be gone: for simulators, which open a million stores on one kernel. */
  reset(): void;
}

/** The fields of a record's header that its maker decides. */
export interface RecordHeader {
  readonly kind: number;
  readonly payloadBytes: number;
  readonly object: number;
  readonly index: number;
  readonly sequence: number;
  readonly hashLow: number;
  readonly hashHigh: number;
}

export interface KernelOptions {
  /** Of everything: the kernel's own few KiB and all regions that will ever be allocated. At most 4 GiB. */
  readonly memoryBytes: number;
}

/** Compiles and starts the kernel on a memory of its own. A few milliseconds; reads `dist/kernel/kernel.wasm`. */
export function loadKernel({ memoryBytes }: KernelOptions): Kernel {
  const wasmPages = Math.ceil(memoryBytes / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
  const abort = (): never => {
    throw new AssertionError('the kernel aborted');
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(KERNEL_WASM)), {
    env: { memory, abort },
  });
  return new WasmKernel(memory, exports);
}

/** As much of WebAssembly as is used here: its types come with a browser's, which are kept out of a server. */
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: KernelExports };
};
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** In the tree that the build makes: we are `dist/src/engine/kernel.js`. */
const KERNEL_WASM = new URL('../../kernel/kernel.wasm', import.meta.url);

const WASM_PAGE_BYTES = 65536;
const REGION_ALIGNMENT = 64;
const REGION_SLACK = 64;

/** Offset from `resultAddress()`: `kernel/result.ts`. */
const HASH_HIGH = 4;

class WasmKernel implements Kernel {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #wasm: KernelExports;
  readonly #result: number;
  #free: number;
  #saltLow = 0;
  #saltHigh = 0;

  constructor(memory: WasmMemory, wasm: KernelExports) {
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.#wasm = wasm;
    this.#result = wasm.resultAddress();
    this.#free = aligned(wasm.heapBase());
    assert(this.#free <= this.bytes.length, 'kernel memory holds the kernel');
  }

  allocate(bytes: number): Address {
    const region = this.#free;
    this.#free = aligned(region + bytes + REGION_SLACK);
    assert(this.#free <= this.bytes.length, `kernel memory has room for a region of ${bytes} bytes`);
    return address(region);
  }

  saltGenerations(low: number, high: number): void {
    this.#saltLow = low;
    this.#saltHigh = high;
  }

  reset(): void {
    this.#free = aligned(this.#wasm.heapBase());
  }

  sameFilled(page: Address): boolean {
    return this.#wasm.sameFilled(page) !== 0;
  }

  compress(page: Address, to: Address, limit: number): number {
    return this.#wasm.compress(page, to, limit);
  }

  decompress(block: Address, bytes: number, to: Address): boolean {
    return this.#wasm.decompress(block, bytes, to) >= 0;
  }

  xxh3(at: Address, bytes: number, seed: number): number {
    return this.#wasm.xxh3(at, bytes, seed, highWord(seed)) >>> 0;
  }

  xxh3High(): number {
    return this.view.getUint32(this.#result + HASH_HIGH, true);
  }

  encodePage(
    page: Address,
    to: Address,
    object: ObjectNumber,
    index: PageIndex,
    sequence: number,
    generation: number,
  ): number {
    return this.#wasm.encodePage(
      page,
      to,
      object,
      index,
      sequence,
      highWord(sequence),
      generation ^ this.#saltLow,
      highWord(generation) ^ this.#saltHigh,
    );
  }

  decodePage(
    record: Address,
    available: number,
    to: Address,
    object: ObjectNumber,
    index: PageIndex,
    generation: number,
  ): DecodeResult {
    return this.#wasm.decodePage(
      record,
      available,
      to,
      object,
      index,
      generation ^ this.#saltLow,
      highWord(generation) ^ this.#saltHigh,
    );
  }

  sealHeader(record: Address, header: RecordHeader, generation: number): void {
    this.#wasm.sealHeader(
      record,
      header.payloadBytes,
      header.kind,
      header.object,
      header.index,
      header.sequence,
      highWord(header.sequence),
      header.hashLow,
      header.hashHigh,
      generation ^ this.#saltLow,
      highWord(generation) ^ this.#saltHigh,
    );
  }

  headerValid(record: Address, generation: number): boolean {
    return this.#wasm.headerValid(record, generation ^ this.#saltLow, highWord(generation) ^ this.#saltHigh) !== 0;
  }

  payloadValid(record: Address, available: number, scratch: Address): boolean {
    return this.#wasm.payloadValid(record, available, scratch) !== 0;
  }

  relocate(from: Address, to: Address, bytes: number, sequence: number, generation: number): void {
    this.#wasm.relocate(
      from,
      to,
      bytes,
      sequence,
      highWord(sequence),
      generation ^ this.#saltLow,
      highWord(generation) ^ this.#saltHigh,
    );
  }
}

/** What WebAssembly takes as a 64-bit integer's high word; a number passed as its low word is cut by itself. */
function highWord(value: number): number {
  return Math.floor(value / 2 ** 32);
}

function aligned(at: number): number {
  return Math.ceil(at / REGION_ALIGNMENT) * REGION_ALIGNMENT;
}
