import type { PageIndex } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Kernel } from './kernel.js';
import { DecodeResult } from './kernel-exports.js';
import { isLost, payloadBytesOf } from './page-entry.js';
import { RECORD_BYTES_MAX, RECORD_HEADER_BYTES } from './record.js';
import { type RecoveredLog, recoverLog } from './recovery.js';
import type { StoredObject } from './stored-object.js';

/** `damaged`: the record cannot be read back. `lost`: it was found so before, and marked. */
export interface BadPage {
  readonly object: StoredObject;
  readonly index: PageIndex;
  readonly what: 'damaged' | 'lost';
}

/**
 * Reads every page of an arena that nobody serves, and changes nothing.
 *
 * @throws TmemError E_ARENA_VERSION
 */
export function checkEngine(kernel: Kernel, files: SegmentFiles): { recovered: RecoveredLog; badPages: BadPage[] } {
  const none = { segmentBytes: 2 ** 20, capacityBytes: 0, arena: { low: 0, high: 0 }, readOnly: true };
  const recovered = recoverLog(kernel, files, none);
  const record = kernel.allocate(RECORD_BYTES_MAX);
  const page = kernel.allocate(PAGE_BYTES);
  const badPages: BadPage[] = [];
  const { index: stored } = recovered;
  for (const { object, index, location, word } of stored.pages()) {
    const slot = stored.segments.slotOf(location);
    const bytes = RECORD_HEADER_BYTES + payloadBytesOf(word);
    const read = files.read(slot, stored.segments.offsetOf(location), kernel.bytes, record, bytes);
    kernel.bytes.fill(0, record + read, record + bytes);
    const handle = [object.number, index, stored.segments.generationOf(slot)] as const;
    const outcome = kernel.decodePage(record, payloadBytesOf(word), page, ...handle);
    if (outcome !== DecodeResult.done) badPages.push({ object, index, what: isLost(word) ? 'lost' : 'damaged' });
  }
  return { recovered, badPages };
}
