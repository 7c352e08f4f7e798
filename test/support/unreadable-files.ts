/** Files in memory of which chosen blocks answer EIO to every read, as poisoned memory under a tmpfs does. */
import type { SegmentSlot } from '../../src/base/ids.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';

const BLOCK_BYTES = 4096;

export class UnreadableFiles extends MemorySegmentFiles {
  readonly #bad = new Set<string>();

  /** Makes the block that holds this byte unreadable, until its file is removed. */
  spoil(slot: SegmentSlot, at: number): void {
    this.#bad.add(`${slot}:${Math.floor(at / BLOCK_BYTES)}`);
  }

  override read(slot: SegmentSlot, at: number, into: Uint8Array, offset: number, length: number): number {
    const end = Math.min(at + length, this.fileOf(slot).length);
    for (let from = at; from < end; from += BLOCK_BYTES - (from % BLOCK_BYTES)) {
      if (!this.#bad.has(`${slot}:${Math.floor(from / BLOCK_BYTES)}`)) continue;
      // What stands before the block has been read by then.
      super.read(slot, at, into, offset, from - at);
      throw Object.assign(new Error('a block cannot be read'), { code: 'EIO' });
    }
    return super.read(slot, at, into, offset, length);
  }

  override remove(slot: SegmentSlot, done: () => void): void {
    for (const block of this.#bad) if (block.startsWith(`${slot}:`)) this.#bad.delete(block);
    super.remove(slot, done);
  }
}
