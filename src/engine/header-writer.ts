/**
 * Writes the headers of segments, copy after copy, the one that may be bad first, so that one is good whenever this is
 * cut short; and remembers where it was.
 */
import type { Address, SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';
import type { Kernel } from './kernel.js';
import { HEADER_COPY_BYTES, SEGMENT_HEADER_BYTES, type SegmentHeader, writeSegmentHeader } from './segment-header.js';

export class HeaderWriter {
  readonly #kernel: Kernel;
  readonly #files: SegmentFiles;
  readonly #scratch: Address;
  /** Segments whose header's second copy failed to be written. */
  readonly #secondCopyBad = new Set<SegmentSlot>();
  /** Segments whose header failed to be written: on file they may be in use or free. */
  readonly #unsure = new Set<SegmentSlot>();

  constructor(kernel: Kernel, files: SegmentFiles) {
    this.#kernel = kernel;
    this.#files = files;
    this.#scratch = kernel.allocate(SEGMENT_HEADER_BYTES);
  }

  /** Whether of some segment nobody knows what its header says on file. */
  get isUnsure(): boolean {
    return this.#unsure.size > 0;
  }

  /** @throws a system error */
  write(slot: SegmentSlot, header: Omit<SegmentHeader, 'slot'>): void {
    writeSegmentHeader(this.#kernel, this.#scratch, { ...header, slot });
    this.#unsure.add(slot);
    const first = this.#secondCopyBad.has(slot) ? 1 : 0;
    this.#writeCopy(slot, first);
    // If the other copy fails now, it is the bad one from here on.
    if (first === 0) this.#secondCopyBad.add(slot);
    else this.#secondCopyBad.delete(slot);
    this.#writeCopy(slot, 1 - first);
    this.#secondCopyBad.delete(slot);
    this.#unsure.delete(slot);
  }

  #writeCopy(slot: SegmentSlot, copy: number): void {
    const at = copy * HEADER_COPY_BYTES;
    this.#files.write(slot, at, this.#kernel.bytes, this.#scratch + at, HEADER_COPY_BYTES);
  }
}
