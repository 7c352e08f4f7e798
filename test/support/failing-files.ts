/** Files in memory whose next writes fail, having written half. */
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';

export class FailingFiles extends MemorySegmentFiles {
  /** So many writes to come fail. Taking a failed batch back needs writes too. */
  failures = 0;
  /** With what. */
  code = 'EIO';

  override write(...[slot, at, from, offset, length]: Parameters<MemorySegmentFiles['write']>): void {
    if (this.failures > 0) {
      this.failures--;
      super.write(slot, at, from, offset, length >> 1);
      throw Object.assign(new Error('asked for'), { code: this.code });
    }
    super.write(slot, at, from, offset, length);
  }
}
