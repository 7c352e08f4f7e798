import { type PageIndex, pageIndex } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
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
  const page = kernel.allocate(4096);
  const badPages: BadPage[] = [];
  const { segments, slab } = recovered;
  for (const object of recovered.objects.values()) {
    for (let index = object.table.nextPresent(0, 2 ** 32); index < 2 ** 32;) {
      const cell = object.table.find(index);
      const location = slab.location(cell);
      const word = slab.word(cell);
      const slot = segments.slotOf(location);
      const bytes = RECORD_HEADER_BYTES + payloadBytesOf(word);
      const read = files.read(slot, segments.offsetOf(location), kernel.bytes, record, bytes);
      kernel.bytes.fill(0, record + read, record + bytes);
      const generation = segments.generationOf(slot);
      const handle = [object.number, pageIndex(index), generation] as const;
      const outcome = kernel.decodePage(record, payloadBytesOf(word), page, ...handle);
      if (outcome !== DecodeResult.done) {
        badPages.push({ object, index: pageIndex(index), what: isLost(word) ? 'lost' : 'damaged' });
      }
      index = object.table.nextPresent(index + 1, 2 ** 32);
    }
  }
  return { recovered, badPages };
}
