/** Files in memory whose removals take as long as a test likes. */
import type { SegmentSlot } from '../../src/base/ids.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';

export class LingeringFiles extends MemorySegmentFiles {
  readonly #removals: (() => void)[] = [];

  override remove(slot: SegmentSlot, done: () => void): void {
    this.#removals.push(() => super.remove(slot, done));
  }

  override finishRemovals(): void {
    for (const finish of this.#removals.splice(0)) finish();
  }
}
