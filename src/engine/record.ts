/**
 * Records of the log, as bytes. Little-endian, aligned to 16 bytes:
 *
 *      0       4         6      7   8        12      16               24               32
 *      ┌───────┬─────────┬──────┬───┬────────┬───────┬────────────────┬────────────────┬─────────────┐
 *      │ check │ payload │ kind │ 0 │ object │ index │ sequence       │ hash           │ payload     │
 *      │ u32   │ u16     │ u8   │   │ u32    │ u32   │ u64            │ u64            │ 0..4096 B   │
 *      └───────┴─────────┴──────┴───┴────────┴───────┴────────────────┴────────────────┴─────────────┘
 *
 * `check` covers the rest of the header and, as its seed, the generation of the segment: so the former life of a
 * reused segment, which a torn write leaves visible behind the tear, never reads as a record. `hash` is of the page as the client gave it, not as stored: it also catches a codec's mistake.
 *
 * The header is built and checked in the kernel; here is what the rest of the engine reads of it.
 */

export const RECORD_HEADER_BYTES = 32;
export const RECORD_ALIGNMENT = 16;
const ALIGNMENT_SHIFT = 4;

export const RecordKind = {
  pageLz4: 1,
  pageRaw: 2,
  /** `hash` is the 64-bit word that the page repeats; no payload. */
  pageFilled: 3,
  /** A page that was stored and cannot be read any more: its handle answers "damaged", never "nothing there". */
  pageLost: 4,
  /** Names `object` and, in the index field, its pool; the payload says how the layer above calls them. */
  name: 5,
  /** Nothing follows in this segment. */
  seal: 6,
  flushPage: 7,
  /** `hash` is the number of pages. */
  flushRange: 8,
  flushObject: 9,
  /** The pool's number stands in the object field. */
  flushPool: 10,
  /** A {@link RecordKind.flushRange} that cleaning has moved: it covers only what segments before `asOf` hold. */
  flushRangeAsOf: 11,
  /** On disks alone: what the log behind it builds on, and up to where it was synced. See unsynced-end.ts. */
  position: 12,
  /** A mark: the page is in its pool's spill file. The payload says where, and what its hash is. */
  pageSpilled: 13,
  /** A mark: the page is a content that others may have as well. The payload says which. */
  pageShared: 14,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Offsets of the fields that the engine reads for itself. */
export const RecordField = { payloadBytes: 4, kind: 6, object: 8, index: 12, sequence: 16, hash: 24 } as const;

/** The payload of {@link RecordKind.flushRangeAsOf}: the number of pages, and a segment's generation. */
export const AsOfField = { count: 0, asOf: 8 } as const;
export const AS_OF_BYTES = 16;

/** The payload of {@link RecordKind.pageSpilled}: the slot, and the page's hash. */
export const MarkField = { slot: 0, hash: 8 } as const;
export const MARK_BYTES = 16;

/**
 * The payload of {@link RecordKind.pageShared}, as long as the other mark's: the content's number, the object whose page
 * it is, and the half of its hash that its own record does not have.
 */
export const ShareField = { content: 0, object: 4, hash: 8 } as const;

/** What a record with this payload takes in the log. */
export function recordBytes(payloadBytes: number): number {
  return (RECORD_HEADER_BYTES + payloadBytes + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT;
}

/** A moved range tombstone. */
export const RANGE_AS_OF_BYTES: number = recordBytes(AS_OF_BYTES);

/** The largest record: a page that does not compress. */
export const RECORD_BYTES_MAX: number = recordBytes(4096);

/** Locations count in records' alignment, so that 32 bits reach 64 GiB. */
export function unitsOf(bytes: number): number {
  return bytes >>> ALIGNMENT_SHIFT;
}

/** The sequence number of the header at `at`: below 2^53, or Infinity where the bytes are not ours. */
export function sequenceAt(view: DataView, at: number): number {
  return integerAt(view, at + RecordField.sequence);
}

/** Of a moved range: its number of pages, and the generation before which it covers them. The payload is valid. */
export function asOfAt(view: DataView, record: number): { count: number; asOf: number } {
  const payload = record + RECORD_HEADER_BYTES;
  return { count: view.getUint32(payload + AsOfField.count, true), asOf: integerAt(view, payload + AsOfField.asOf) };
}

/** Of a position: the record that came before its segment, and the newest that a sync vouched for. Sequence numbers. */
export function positionAt(view: DataView, record: number): { follows: number; synced: number } {
  return { follows: integerAt(view, record + RecordField.object), synced: integerAt(view, record + RecordField.hash) };
}

/** XXH3-64 of a page. */
export interface PageHash {
  readonly low: number;
  readonly high: number;
}

/** Of the record of a page that is no same-filled one. */
export function hashOf(view: DataView, record: number): PageHash {
  return hashAt(view, record + RecordField.hash);
}

/** Of a mark whose payload is valid. */
export function markAt(view: DataView, record: number): { slot: number; hash: PageHash } {
  const payload = record + RECORD_HEADER_BYTES;
  return { slot: view.getUint32(payload + MarkField.slot, true), hash: hashAt(view, payload + MarkField.hash) };
}

/** Of a mark of a shared page whose payload is valid. */
export function shareAt(view: DataView, record: number): { content: number; object: number; hash: PageHash } {
  const payload = record + RECORD_HEADER_BYTES;
  return {
    content: view.getUint32(payload + ShareField.content, true),
    object: view.getUint32(payload + ShareField.object, true),
    hash: hashAt(view, payload + ShareField.hash),
  };
}

function hashAt(view: DataView, at: number): PageHash {
  return { low: view.getUint32(at, true), high: view.getUint32(at + 4, true) };
}

function integerAt(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high < 2 ** 21 ? high * 2 ** 32 + view.getUint32(at, true) : Infinity;
}

export function isPageKind(kind: number): boolean {
  return (kind >= RecordKind.pageLz4 && kind <= RecordKind.pageLost) || isMark(kind);
}

/** In place of a page that is somewhere else. */
function isMark(kind: number): boolean {
  return kind === RecordKind.pageSpilled || kind === RecordKind.pageShared;
}

/** What a tombstone takes once cleaning has moved it, which is what its segment must be taken to hold. */
export function movedTombstoneBytes(kind: number): number {
  return kind === RecordKind.flushRange || kind === RecordKind.flushRangeAsOf ? RANGE_AS_OF_BYTES : RECORD_HEADER_BYTES;
}

export function isTombstone(kind: number): boolean {
  return kind >= RecordKind.flushPage && kind <= RecordKind.flushRangeAsOf;
}
