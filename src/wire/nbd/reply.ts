/**
 * NBD transmission phase, server to client: replies become bytes, in place, at an offset of the caller's.
 *
 *      simple          0       4       8                16
 *                      ┌───────┬───────┬────────────────┬──────────────────────┐
 *                      │ magic │ error │ cookie         │ data, READ only      │
 *                      └───────┴───────┴────────────────┴──────────────────────┘
 *      structured      0       4       6      8                16       20
 *      (a chunk)       ┌───────┬───────┬──────┬────────────────┬────────┬──────────────────────────┐
 *                      │ magic │ flags │ type │ cookie         │ length │ payload:                 │
 *                      └───────┴───────┴──────┴────────────────┴────────┴──────────────────────────┘
 *          OFFSET_DATA                                                    u64 offset, data
 *          OFFSET_HOLE                                                    u64 offset, u32 size
 *          BLOCK_STATUS                                                   u32 context, (u32 length, u32 flags)*
 *          ERROR                                                          u32 error, u16 length, text
 *          ERROR_OFFSET                                                   u32 error, u16 length, text, u64 offset
 *
 * Every function returns the offset after what it wrote. Structured READs write their data where
 * {@link DATA_CHUNK_BYTES} says and the header in front of it once they know how much there is.
 *
 * @hot Runs once per request: no allocation, no bigint, no exception.
 */
import type { NbdError, NbdRequest } from './request.js';

export const SIMPLE_REPLY_BYTES = 16;
/** Header of a chunk, before its payload. */
export const CHUNK_BYTES = 20;
/** Of an OFFSET_DATA chunk, before its data. */
export const DATA_CHUNK_BYTES = 28;
export const HOLE_CHUNK_BYTES = 32;
/** Of a BLOCK_STATUS chunk, before its extents. */
export const STATUS_CHUNK_BYTES = 24;
export const EXTENT_BYTES = 8;
/** Longest text of an error: its chunk stays within 128 bytes. */
export const ERROR_TEXT_BYTES_MAX = 94;

const SIMPLE_MAGIC = 0x67446698;
const CHUNK_MAGIC = 0x668e33ef;
const FLAG_DONE = 1;

export const ChunkType = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;

/** Which reply: only its cookie is looked at. */
type Cookie = Pick<NbdRequest, 'cookieHigh' | 'cookieLow'>;

export function writeSimpleReply(view: DataView, at: number, cookie: Cookie, error: NbdError): number {
  view.setUint32(at, SIMPLE_MAGIC);
  view.setUint32(at + 4, error);
  view.setUint32(at + 8, cookie.cookieHigh);
  view.setUint32(at + 12, cookie.cookieLow);
  return at + SIMPLE_REPLY_BYTES;
}

/** Changes the verdict of a simple reply that has not left yet. It must be one without data. */
export function patchSimpleReply(view: DataView, at: number, error: NbdError): void {
  view.setUint32(at + 4, error);
}

/** The whole answer to a READ of nothing. */
export function writeNoneChunk(view: DataView, at: number, cookie: Cookie): number {
  return writeChunk(view, at, cookie, ChunkType.none, true, 0);
}

/**
 * The header of an OFFSET_DATA chunk whose `bytes` of data are at `at + DATA_CHUNK_BYTES` already.
 *
 * @param offset - of the data, in the export
 * @returns offset after the data
 */
export function writeDataChunk(
  view: DataView,
  at: number,
  cookie: Cookie,
  done: boolean,
  offset: number,
  bytes: number,
): number {
  const payload = writeChunk(view, at, cookie, ChunkType.offsetData, done, 8 + bytes);
  return writeOffset(view, payload, offset) + bytes;
}

export function writeHoleChunk(
  view: DataView,
  at: number,
  cookie: Cookie,
  done: boolean,
  offset: number,
  bytes: number,
): number {
  const payload = writeChunk(view, at, cookie, ChunkType.offsetHole, done, 12);
  const size = writeOffset(view, payload, offset);
  view.setUint32(size, bytes);
  return size + 4;
}

/** @param text - UTF-8, at most {@link ERROR_TEXT_BYTES_MAX} */
export function writeErrorChunk(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  cookie: Cookie,
  error: NbdError,
  text: Uint8Array,
): number {
  const payload = writeChunk(view, at, cookie, ChunkType.error, true, 6 + text.length);
  return writeErrorAndText(bytes, view, payload, error, text);
}

/** @param offset - of the first byte that could not be had */
export function writeErrorOffsetChunk(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  cookie: Cookie,
  error: NbdError,
  text: Uint8Array,
  offset: number,
): number {
  const payload = writeChunk(view, at, cookie, ChunkType.errorOffset, true, 14 + text.length);
  return writeOffset(view, writeErrorAndText(bytes, view, payload, error, text), offset);
}

/** The header of a BLOCK_STATUS chunk with `extents` extents, each written by {@link writeExtent} after it. */
export function writeStatusChunk(view: DataView, at: number, cookie: Cookie, context: number, extents: number): number {
  const payload = writeChunk(view, at, cookie, ChunkType.blockStatus, true, 4 + extents * EXTENT_BYTES);
  view.setUint32(payload, context);
  return payload + 4;
}

export function writeExtent(view: DataView, at: number, bytes: number, flags: number): number {
  view.setUint32(at, bytes);
  view.setUint32(at + 4, flags);
  return at + EXTENT_BYTES;
}

/** @returns offset of the payload */
function writeChunk(
  view: DataView,
  at: number,
  cookie: Cookie,
  type: number,
  done: boolean,
  payloadBytes: number,
): number {
  view.setUint32(at, CHUNK_MAGIC);
  view.setUint16(at + 4, done ? FLAG_DONE : 0);
  view.setUint16(at + 6, type);
  view.setUint32(at + 8, cookie.cookieHigh);
  view.setUint32(at + 12, cookie.cookieLow);
  view.setUint32(at + 16, payloadBytes);
  return at + CHUNK_BYTES;
}

function writeOffset(view: DataView, at: number, offset: number): number {
  view.setUint32(at, Math.floor(offset / 2 ** 32));
  view.setUint32(at + 4, offset >>> 0);
  return at + 8;
}

function writeErrorAndText(bytes: Uint8Array, view: DataView, at: number, error: NbdError, text: Uint8Array): number {
  view.setUint32(at, error);
  view.setUint16(at + 4, text.length);
  bytes.set(text, at + 6);
  return at + 6 + text.length;
}
