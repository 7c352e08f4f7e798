import { type PageIndex, pageIndex, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Kernel } from './kernel.js';
import { DecodeResult } from './kernel-exports.js';
import { contentOfWord, isLost, isShared, isSpilled, payloadBytesOf } from './page-entry.js';
import { readOrZeros } from './read-around.js';
import { isPageKind, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RecordField, RecordKind } from './record.js';
import { type RecoveredLog, recoverLog } from './recovery.js';
import { SegmentReader } from './segment-reader.js';
import type { StoreIndex } from './store-index.js';
import type { StoredObject } from './stored-object.js';

/** `damaged`: the record cannot be read back. `lost`: it was found so before, and marked. */
export interface BadPage {
  readonly object: StoredObject;
  readonly index: PageIndex;
  readonly what: 'damaged' | 'lost';
}

/**
 * Reads every page of an arena that nobody serves, segment by segment, and changes nothing. Of a spilled page it reads
 * the mark: only the config knows the spill file. A content that is bad is named by the pages that share it.
 *
 * @throws TmemError E_ARENA_VERSION
 */
export function checkEngine(kernel: Kernel, files: SegmentFiles): { recovered: RecoveredLog; badPages: BadPage[] } {
  const none = { segmentBytes: 2 ** 20, capacityBytes: 0, arena: { low: 0, high: 0 }, readOnly: true };
  const recovered = recoverLog(kernel, files, none);
  const { index } = recovered;
  const reader = new SegmentReader(kernel, files);
  const scratch = kernel.allocate(PAGE_BYTES);
  const badPages: BadPage[] = [];
  for (const slot of index.segments.used()) {
    let unread = index.segments.liveBytesOf(slot);
    const bad: BadPage[] = [];
    reader.open(slot, index.segments.generationOf(slot));
    while (reader.next() || (reader.end === 'broken' && reader.resynchronise())) {
      if (!isPageKind(reader.kind)) continue;
      const page = newestOf(kernel, index, reader, slot);
      if (page === undefined) continue;
      unread -= reader.bytes;
      const whole = kernel.payloadValid(reader.record, reader.payloadBytes, scratch);
      if (!whole) bad.push({ ...page, what: reader.kind === RecordKind.pageLost ? 'lost' : 'damaged' });
    }
    // A page that is still in the index and whose record was not come by has no record that can be read.
    badPages.push(...(unread > 0 ? damagedIn(kernel, files, index, slot) : bad));
  }
  return { recovered, badPages: badPages.flatMap((bad) => pagesOf(index, bad)) };
}

/** Of a content that is bad, the pages that are it: O(pages of the shard). */
function pagesOf(index: StoreIndex, bad: BadPage): BadPage[] {
  if (!bad.object.pool.isContents) return [bad];
  const shared = [...index.pages()].filter(({ word }) => isShared(word) && contentOfWord(word) === bad.index);
  return shared.map(({ object, index: page }) => ({ object, index: page, what: bad.what }));
}

/** The page whose newest record the reader is at; undefined if that record is superseded. */
function newestOf(
  { view }: Kernel,
  index: StoreIndex,
  { record, offset }: SegmentReader,
  slot: SegmentSlot,
): { object: StoredObject; index: PageIndex } | undefined {
  const number = view.getUint32(record + RecordField.object, true);
  const page = view.getUint32(record + RecordField.index, true);
  const object = index.objectWithNewest(number, page, index.segments.locationOf(slot, offset));
  return object === undefined ? undefined : { object, index: pageIndex(page) };
}

/** Page by page, as gets find them. O(pages of the shard). */
function damagedIn(kernel: Kernel, files: SegmentFiles, index: StoreIndex, slot: SegmentSlot): BadPage[] {
  const record = kernel.allocate(RECORD_BYTES_MAX);
  const scratch = kernel.allocate(PAGE_BYTES);
  const bad: BadPage[] = [];
  for (const { object, index: page, location, word } of index.pages()) {
    if (index.segments.slotOf(location) !== slot) continue;
    const payloadBytes = payloadBytesOf(word);
    const bytes = RECORD_HEADER_BYTES + payloadBytes;
    readOrZeros(files, slot, index.segments.offsetOf(location), kernel.bytes, record, bytes);
    const generation = index.segments.generationOf(slot);
    const isSound =
      isSpilled(word) || isShared(word)
        ? kernel.headerValid(record, generation) && kernel.payloadValid(record, payloadBytes, scratch)
        : kernel.decodePage(record, payloadBytes, scratch, object.number, page, generation) === DecodeResult.done;
    if (!isSound) bad.push({ object, index: page, what: isLost(word) ? 'lost' : 'damaged' });
  }
  return bad;
}
