import type { Address } from './ids.js';

/**
 * The memory that pages live in while they pass through a shard: WebAssembly memory of the kernel, sized at start.
 * It never grows, because a socket that reads into it would go on with a dead view, so its
 * views may be kept for the life of the shard.
 */
export interface PageMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /**
   * A region for the caller alone, for ever, aligned to 64 bytes and followed by 64 bytes of slack that codecs may
   * overwrite. For start-up only: regions are never given back.
   */
  allocate(bytes: number): Address;
}
