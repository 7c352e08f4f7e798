/**
 * Records of the log: a page, or a fact about pages, as it stands in a segment. Little-endian, 16-byte aligned:
 *
 *      0       4         6      7   8        12      16               24               32
 *      ┌───────┬─────────┬──────┬───┬────────┬───────┬────────────────┬────────────────┬──────────┬─────┐
 *      │ check │ payload │ kind │ 0 │ object │ index │ sequence       │ hash           │ payload  │ 0.. │
 *      │ u32   │ u16     │ u8   │   │ u32    │ u32   │ u64            │ u64            │ 0..4096 B│     │
 *      └───────┴─────────┴──────┴───┴────────┴───────┴────────────────┴────────────────┴──────────┴─────┘
 *
 * `check` is the low word of XXH3-64 over the rest of the header, seeded by the generation of the segment, so that
 * what a segment held in its former life never reads as a record. `hash` is of the page as the client gave it, of the
 * payload of a name, a moved tombstone or a mark, or the word that a same-filled page repeats.
 *
 * @hot One call per page each way: what a page needs between socket and segment happens in here.
 */
import { Bytes, PAGE_BYTES } from './bytes';
import { compress } from './lz4-compress';
import { decompress } from './lz4-decompress';
import { fillPage, sameFilled } from './same-filled';
import { xxh3Of } from './xxh3';

const HEADER_BYTES: usize = 32;

const KIND_PAGE_LZ4: u32 = 1;
const KIND_PAGE_RAW: u32 = 2;
const KIND_PAGE_FILLED: u32 = 3;
const KIND_PAGE_LOST: u32 = 4;
const KIND_NAME: u32 = 5;
const KIND_RANGE_AS_OF: u32 = 11;
const KIND_PAGE_SPILLED: u32 = 13;
const KIND_PAGE_SHARED: u32 = 14;
const KIND_LAST: u32 = 14;

const DECODED: i32 = 0;
const BAD_CHECK: i32 = 1;
const OTHER_PAGE: i32 = 2;
const BAD_PAYLOAD: i32 = 3;
const LOST: i32 = 4;

/**
 * A page that saves less than a quarter is stored as it is: it loads faster, and giving up early is what makes
 * incompressible pages cheap to store (a fifth of the time).
 */
const COMPRESSED_BYTES_MAX: i32 = 3072;

/**
 * Makes the record of the page at `page` at `to`, which has room for the largest record and 64 bytes.
 *
 * @returns bytes of payload, 0 for a same-filled page. The rest of the last 16 bytes is zeroed.
 */
export function encodePage(
  page: usize,
  to: usize,
  object: u32,
  index: u32,
  sequenceLow: u32,
  sequenceHigh: u32,
  generationLow: u32,
  generationHigh: u32,
): i32 {
  let kind = KIND_PAGE_FILLED;
  let payloadBytes: usize = 0;
  let hash = load<u64>(page);
  if (!sameFilled(page)) {
    hash = xxh3Of(page, PAGE_BYTES, 0);
    kind = KIND_PAGE_LZ4;
    payloadBytes = <usize>compress(page, to + HEADER_BYTES, COMPRESSED_BYTES_MAX);
    if (payloadBytes == 0) {
      kind = KIND_PAGE_RAW;
      payloadBytes = PAGE_BYTES;
      Bytes.copyWide(page, to + HEADER_BYTES, PAGE_BYTES);
    }
  }
  store<u32>(to, kindWord(payloadBytes, kind), 4);
  store<u32>(to, object, 8);
  store<u32>(to, index, 12);
  store<u64>(to, u64Of(sequenceLow, sequenceHigh), 16);
  store<u64>(to, hash, 24);
  padAndCheck(to, payloadBytes, u64Of(generationLow, generationHigh));
  return <i32>payloadBytes;
}

/**
 * Makes the page at `to` of its record. `available` is how many bytes of payload follow the header in memory.
 *
 * @returns 0 done; 1 no record of this generation; 2 the record of something else; 3 the payload is not what was
 *   stored; 4 the record says that the page is lost. The page's bytes are undefined unless 0.
 */
export function decodePage(
  record: usize,
  available: i32,
  to: usize,
  object: u32,
  index: u32,
  generationLow: u32,
  generationHigh: u32,
): i32 {
  if (!headerValid(record, generationLow, generationHigh)) return BAD_CHECK;
  const kind = kindOf(record);
  if (kind > KIND_PAGE_LOST) return OTHER_PAGE;
  if (load<u32>(record, 8) != object || load<u32>(record, 12) != index) return OTHER_PAGE;
  return decodePayload(record, kind, available, to);
}

/**
 * Whether the payload of a valid header is what was stored, for any kind: recovery asks where a write may have been
 * torn. `scratch` has room for a page and 64 bytes.
 */
export function payloadValid(record: usize, available: i32, scratch: usize): i32 {
  const kind = kindOf(record);
  if (kind <= KIND_PAGE_FILLED) return i32(decodePayload(record, kind, available, scratch) == DECODED);
  const bytes = payloadBytesOf(record);
  const isMark = kind == KIND_PAGE_SPILLED || kind == KIND_PAGE_SHARED;
  if (kind != KIND_NAME && kind != KIND_RANGE_AS_OF && !isMark) return i32(bytes == 0);
  return i32(bytes <= <usize>available && xxh3Of(record + HEADER_BYTES, bytes, 0) == load<u64>(record, 24));
}

/** Writes any header in front of a payload that is already in place; zeroes the rest of its last 16 bytes. */
export function sealHeader(
  record: usize,
  payloadBytes: i32,
  kind: u32,
  object: u32,
  index: u32,
  sequenceLow: u32,
  sequenceHigh: u32,
  hashLow: u32,
  hashHigh: u32,
  generationLow: u32,
  generationHigh: u32,
): void {
  store<u32>(record, kindWord(<usize>payloadBytes, kind), 4);
  store<u32>(record, object, 8);
  store<u32>(record, index, 12);
  store<u64>(record, u64Of(sequenceLow, sequenceHigh), 16);
  store<u64>(record, u64Of(hashLow, hashHigh), 24);
  padAndCheck(record, <usize>payloadBytes, u64Of(generationLow, generationHigh));
}

/** Whether a record of this generation starts here; says nothing of its payload. */
export function headerValid(record: usize, generationLow: u32, generationHigh: u32): i32 {
  // The check word is 32 bits: what else a header must be is asked as well.
  const kind = kindOf(record);
  if (kind == 0 || kind > KIND_LAST || load<u8>(record, 7) != 0) return 0;
  if (payloadBytesOf(record) > PAGE_BYTES) return 0;
  return i32(load<u32>(record) == checkOf(record, u64Of(generationLow, generationHigh)));
}

/** Copies a record, `bytes` from header to padding, into another segment: everything stays but sequence and check. */
export function relocate(
  from: usize,
  to: usize,
  bytes: i32,
  sequenceLow: u32,
  sequenceHigh: u32,
  generationLow: u32,
  generationHigh: u32,
): void {
  memory.copy(to, from, <usize>bytes);
  store<u64>(to, u64Of(sequenceLow, sequenceHigh), 16);
  store<u32>(to, checkOf(to, u64Of(generationLow, generationHigh)));
}

function kindOf(record: usize): u32 {
  return <u32>load<u8>(record, 6);
}

function payloadBytesOf(record: usize): usize {
  return <usize>load<u16>(record, 4);
}

function decodePayload(record: usize, kind: u32, available: i32, to: usize): i32 {
  if (kind == KIND_PAGE_LOST) return LOST;
  const payload = record + HEADER_BYTES;
  const bytes = payloadBytesOf(record);
  const hash = load<u64>(record, 24);
  if (<isize>bytes > <isize>available) return BAD_PAYLOAD;
  if (kind == KIND_PAGE_FILLED) {
    if (bytes != 0) return BAD_PAYLOAD;
    fillPage(to, hash);
    return DECODED;
  }
  if (kind == KIND_PAGE_LZ4) {
    if (decompress(payload, <i32>bytes, to) != <i32>PAGE_BYTES) return BAD_PAYLOAD;
  } else {
    if (bytes != PAGE_BYTES) return BAD_PAYLOAD;
    Bytes.copyWide(payload, to, PAGE_BYTES);
  }
  return xxh3Of(to, PAGE_BYTES, 0) == hash ? DECODED : BAD_PAYLOAD;
}

function kindWord(payloadBytes: usize, kind: u32): u32 {
  return (<u32>payloadBytes) | (kind << 16);
}

function padAndCheck(record: usize, payloadBytes: usize, generation: u64): void {
  let end = record + HEADER_BYTES + payloadBytes;
  while ((end & 15) != 0) store<u8>(end++, 0);
  store<u32>(record, checkOf(record, generation));
}

function checkOf(record: usize, generation: u64): u32 {
  return <u32>xxh3Of(record + 4, HEADER_BYTES - 4, generation);
}

function u64Of(low: u32, high: u32): u64 {
  return (<u64>low) | ((<u64>high) << 32);
}
