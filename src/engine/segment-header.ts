/**
 * The first 128 bytes of a segment file: the same 64 bytes twice, so that neither a torn write nor a flipped bit
 * loses a segment. Little-endian:
 *
 *      0          8         12     16              20              24           32        40       48      56      64
 *      ┌──────────┬─────────┬──────┬───────────────┬───────────────┬────────────┬─────────┬────────┬───────┬───────┐
 *      │ "tmemlog"│ version │ slot │ segment bytes │ closed with   │ generation │ arena   │ census │ spent │ check │
 *      │ and NUL  │ u32     │ u32  │ u32           │ u32           │ u64        │ u64     │ u64    │ u64   │ u64   │
 *      └──────────┴─────────┴──────┴───────────────┴───────────────┴────────────┴─────────┴────────┴───────┴───────┘
 *
 * `generation` is a sequence number, drawn when the segment was opened: unique, growing, the order of the log. It is
 * 0 while the segment is free, which makes everything behind the header meaningless. `check` is XXH3-64 of the rest.
 * `spent` is the newest sequence number when the header was written: a segment that was opened and given up without
 * a record must not hand its generation to the next life. `closed with` and `census` are 0 but after a clean stop: see
 * census.ts. On a disk, where the log was not closed, `census` is the newest sequence number that a sync vouched for
 * when the header was written: see unsynced-end.ts.
 */
import { address, type Address } from '../base/ids.js';
import type { Census } from './census.js';
import type { Kernel } from './kernel.js';

/** Records start here. */
export const SEGMENT_HEADER_BYTES = 128;
export const HEADER_COPY_BYTES = 64;

/** Of a copy: all but the check. */
const CHECKED_BYTES = 56;

/** Grows with each change that an older daemon would misread (docs/formats/arena.md). */
export const FORMAT_VERSION = 1;

const MAGIC_LOW = 0x6d656d74; // "tmem"
const MAGIC_HIGH = 0x00676f6c; // "log\0"

export interface SegmentHeader {
  readonly slot: number;
  readonly segmentBytes: number;
  /** 0: free. */
  readonly generation: number;
  /** Sequence numbers up to this one have been given out. */
  readonly spent: number;
  /** Drawn when the arena was made: two words that tell a file of another arena. */
  readonly arenaLow: number;
  readonly arenaHigh: number;
  /** Of a log on a disk: records up to this sequence number outlive a power loss. 0: unknown, or not on a disk. */
  readonly synced?: number;
  /** The segments that were in use when the log was closed; it has not been written to since. */
  readonly closed?: Census;
}

/**
 * `broken`: this copy differs from the header that is returned, 0 or 1: it must be mended before the other is
 * written over.
 * `blank`: zeros, a file that was made and whose first header was not written whole. `foreign`: not a segment at all,
 * or not readable as one.
 */
export type HeaderReading =
  | { readonly what: 'header'; readonly header: SegmentHeader; readonly broken?: 0 | 1 }
  | { readonly what: 'version'; readonly version: number }
  | { readonly what: 'blank' | 'foreign' };

export function writeSegmentHeader(kernel: Kernel, to: Address, header: SegmentHeader): void {
  const { view, bytes } = kernel;
  bytes.fill(0, to, to + SEGMENT_HEADER_BYTES);
  view.setUint32(to, MAGIC_LOW, true);
  view.setUint32(to + 4, MAGIC_HIGH, true);
  view.setUint32(to + 8, FORMAT_VERSION, true);
  view.setUint32(to + 12, header.slot, true);
  view.setUint32(to + 16, header.segmentBytes, true);
  view.setUint32(to + 20, header.closed?.segments ?? 0, true);
  view.setUint32(to + 24, header.generation >>> 0, true);
  view.setUint32(to + 28, Math.floor(header.generation / 2 ** 32), true);
  view.setUint32(to + 32, header.arenaLow, true);
  view.setUint32(to + 36, header.arenaHigh, true);
  const synced = header.synced ?? 0;
  view.setUint32(to + 40, header.closed?.low ?? synced >>> 0, true);
  view.setUint32(to + 44, header.closed?.high ?? Math.floor(synced / 2 ** 32), true);
  view.setUint32(to + 48, header.spent >>> 0, true);
  view.setUint32(to + 52, Math.floor(header.spent / 2 ** 32), true);
  view.setUint32(to + 56, kernel.xxh3(to, CHECKED_BYTES, 0), true);
  view.setUint32(to + 60, kernel.xxh3High(), true);
  bytes.copyWithin(to + HEADER_COPY_BYTES, to, to + HEADER_COPY_BYTES);
}

/** Reads the header at `from`, of whose bytes the last may be missing: `length` were read. */
export function readSegmentHeader(kernel: Kernel, from: Address, length: number): HeaderReading {
  kernel.bytes.fill(0, from + length, from + SEGMENT_HEADER_BYTES);
  const first = readCopy(kernel, from);
  const second = readCopy(kernel, address(from + HEADER_COPY_BYTES));
  if (first.what === 'header') {
    const copies = kernel.bytes.subarray(from, from + SEGMENT_HEADER_BYTES);
    const same = copies.subarray(0, HEADER_COPY_BYTES).every((byte, at) => byte === copies[at + HEADER_COPY_BYTES]);
    return same ? first : { ...first, broken: 1 };
  }
  if (second.what === 'header') return { ...second, broken: 0 };
  // One copy alone may be torn or damaged where the version stands.
  if (first.what === 'version' && second.what === 'version') return first;
  // The first header ever written here may be torn: then the second copy is still blank.
  return second.what === 'blank' ? second : { what: 'foreign' };
}

function readCopy(kernel: Kernel, at: Address): HeaderReading {
  const { view } = kernel;
  if (kernel.bytes.subarray(at, at + HEADER_COPY_BYTES).every((byte) => byte === 0)) return { what: 'blank' };
  if (view.getUint32(at, true) !== MAGIC_LOW || view.getUint32(at + 4, true) !== MAGIC_HIGH) return { what: 'foreign' };
  const checkLow = kernel.xxh3(at, CHECKED_BYTES, 0);
  const intact = view.getUint32(at + 56, true) === checkLow && view.getUint32(at + 60, true) === kernel.xxh3High();
  const version = view.getUint32(at + 8, true);
  // Another version may keep its check elsewhere, so its number is believed without it.
  if (version !== FORMAT_VERSION) return { what: 'version', version };
  if (!intact) return { what: 'foreign' };
  const segments = view.getUint32(at + 20, true);
  const closed = { segments, low: view.getUint32(at + 40, true), high: view.getUint32(at + 44, true) };
  return {
    what: 'header',
    header: {
      slot: view.getUint32(at + 12, true),
      segmentBytes: view.getUint32(at + 16, true),
      generation: view.getUint32(at + 28, true) * 2 ** 32 + view.getUint32(at + 24, true),
      spent: view.getUint32(at + 52, true) * 2 ** 32 + view.getUint32(at + 48, true),
      arenaLow: view.getUint32(at + 32, true),
      arenaHigh: view.getUint32(at + 36, true),
      ...(segments === 0 ? { synced: closed.high * 2 ** 32 + closed.low } : { closed }),
    },
  };
}
