/**
 * The records of one segment, one after the other: for cleaning, recovery and checks. The record that `next` found
 * stands in the reader's memory until the following call. Bytes that the files cannot read are no record.
 */
import { address, type Address, segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB } from '../base/units.js';
import type { Kernel } from './kernel.js';
import { BLOCK_BYTES, readAround } from './read-around.js';
import {
  RECORD_ALIGNMENT,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RecordField,
  recordBytes,
  RecordKind,
} from './record.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';

/** Read at once. */
const READ_BYTES: number = 32 * KIB;

/** `sealed`: the end that was meant. `broken`: what stands there is no record of this generation. */
export type SegmentEnd = 'sealed' | 'broken';

export class SegmentReader {
  /** Of the record found last. */
  record: Address;
  kind = 0;
  payloadBytes = 0;
  bytes = 0;
  /** Where in the file it starts; after the end, where the end is. */
  offset = 0;
  end: SegmentEnd | undefined;

  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #buffer: Address;
  /** Blocks of the file that were come by and could not be read. */
  readonly #bad = new Set<number>();
  #slot = segmentSlot(0);
  #generation = 0;
  /** File offset of the buffer's first byte, bytes in the buffer, and bytes of it already passed. */
  #bufferAt = 0;
  #filled = 0;
  #passed = 0;

  constructor(kernel: Kernel, files: SegmentFiles) {
    this.#kernel = kernel;
    this.#files = files;
    this.#buffer = kernel.allocate(READ_BYTES + RECORD_BYTES_MAX);
    this.record = this.#buffer;
  }

  open(slot: SegmentSlot, generation: number): void {
    this.#slot = slot;
    this.#generation = generation;
    this.#bufferAt = SEGMENT_HEADER_BYTES;
    this.#filled = this.#passed = 0;
    this.#bad.clear();
    this.bytes = 0;
    this.offset = SEGMENT_HEADER_BYTES;
    this.end = undefined;
  }

  /** Whether some bytes of this segment could not be read so far. */
  get hasUnreadable(): boolean {
    return this.#bad.size > 0;
  }

  /** Whether some of the record found last, or of the header that `next` looked for, could not be read. */
  get isUnreadable(): boolean {
    if (this.#bad.size === 0) return false;
    const end = this.offset + Math.max(this.bytes, RECORD_HEADER_BYTES);
    for (let at = this.offset - (this.offset % BLOCK_BYTES); at < end; at += BLOCK_BYTES) {
      if (this.#bad.has(at / BLOCK_BYTES)) return true;
    }
    return false;
  }

  /** Finds the next record; false at the end, which `end` then tells. */
  next(): boolean {
    this.#passed += this.bytes;
    this.bytes = 0;
    this.offset = this.#bufferAt + this.#passed;
    if (!this.#has(RECORD_HEADER_BYTES)) return this.#ends('broken');
    if (!this.#kernel.headerValid(this.#here(), this.#generation)) return this.#ends('broken');
    return this.#accept();
  }

  /**
   * After a broken end: finds the next place, at or behind the one after it, where a record of this generation stands.
   * False: there is none.
   */
  resynchronise(): boolean {
    while (this.#passed + RECORD_ALIGNMENT <= this.#filled || this.#has(RECORD_ALIGNMENT + RECORD_HEADER_BYTES)) {
      this.#passed += RECORD_ALIGNMENT;
      if (!this.#has(RECORD_HEADER_BYTES)) return false;
      if (this.#looksLikeHeader() && this.#kernel.headerValid(this.#here(), this.#generation)) {
        this.offset = this.#bufferAt + this.#passed;
        this.end = undefined;
        return this.#accept();
      }
    }
    return false;
  }

  /**
   * Whether a good record stands somewhere behind this place, the seal included: then what was written here was written
   * whole. The reader stays here, on the record found last if any.
   */
  goesOn(): boolean {
    const { offset, end } = this;
    const found = this.resynchronise() || this.end === 'sealed';
    this.#bufferAt = this.offset = offset;
    this.#filled = this.#passed = this.bytes = 0;
    this.end = end;
    if (end === undefined) this.next();
    return found;
  }

  /**
   * After a broken end: if one changed byte makes this a header again, takes it as found. One in half a million
   * broken headers passes by chance.
   */
  repair(): boolean {
    if (!this.#has(RECORD_HEADER_BYTES) || this.isUnreadable) return false;
    const { bytes } = this.#kernel;
    const at = this.#here();
    for (let byte = at; byte < at + RECORD_HEADER_BYTES; byte++) {
      const before = bytes[byte]!;
      for (let flips = 1; flips < 256; flips++) {
        bytes[byte] = before ^ flips;
        if (this.#kernel.headerValid(at, this.#generation)) {
          this.end = undefined;
          return this.#accept() || this.end === 'sealed';
        }
      }
      bytes[byte] = before;
    }
    return false;
  }

  #accept(): boolean {
    const { view } = this.#kernel;
    const payloadBytes = view.getUint16(this.#here() + RecordField.payloadBytes, true);
    const bytes = recordBytes(payloadBytes);
    if (!this.#has(bytes)) return this.#ends('broken');
    this.record = this.#here();
    this.kind = view.getUint8(this.record + RecordField.kind);
    this.payloadBytes = payloadBytes;
    this.bytes = bytes;
    return this.kind === RecordKind.seal ? this.#ends('sealed') : true;
  }

  #ends(how: SegmentEnd): false {
    this.end = how;
    return false;
  }

  #here(): Address {
    return address(this.#buffer + this.#passed);
  }

  #has(bytes: number): boolean {
    if (this.#filled - this.#passed >= bytes) return true;
    const kept = this.#filled - this.#passed;
    const start = this.#buffer + this.#passed;
    this.#kernel.bytes.copyWithin(this.#buffer, start, start + kept);
    this.#bufferAt += this.#passed;
    this.#passed = 0;
    const at = this.#bufferAt + kept;
    const { bytes: memory } = this.#kernel;
    this.#filled = kept + readAround(this.#files, this.#slot, at, memory, this.#buffer + kept, READ_BYTES, this.#bad);
    return this.#filled >= bytes;
  }

  /** Cheap test before the check word is computed. */
  #looksLikeHeader(): boolean {
    const kind = this.#kernel.bytes[this.#here() + RecordField.kind]!;
    return kind >= RecordKind.pageLz4 && kind <= RecordKind.pageShared;
  }
}
