import type { SegmentSlot } from '../base/ids.js';
import type { SegmentFiles } from '../base/segment-files.js';

/** What a full file system answers, as Node words it. */
export class NoSpaceError extends Error {
  readonly code = 'ENOSPC';
}

/**
 * Segment files in memory, for tests and the lab: they outlive the engine that wrote them, as tmpfs outlives a
 * process, and fill up at `roomBytes`.
 */
export class MemorySegmentFiles implements SegmentFiles {
  readonly #files = new Map<SegmentSlot, Uint8Array>();
  roomBytes: number;

  constructor(roomBytes: number = Infinity) {
    this.roomBytes = roomBytes;
  }

  list(): readonly { slot: SegmentSlot; bytes: number }[] {
    return [...this.#files].map(([slot, file]) => ({ slot, bytes: file.length })).toSorted((a, b) => a.slot - b.slot);
  }

  create(slot: SegmentSlot, bytes: number): void {
    if (this.#files.has(slot)) throw new Error(`segment ${slot} exists`);
    if (this.occupiedBytes + bytes > this.roomBytes) throw new NoSpaceError('no space left in memory');
    this.#files.set(slot, new Uint8Array(bytes));
  }

  read(slot: SegmentSlot, at: number, into: Uint8Array, offset: number, length: number): number {
    const part = this.fileOf(slot).subarray(at, at + length);
    into.set(part, offset);
    return part.length;
  }

  write(slot: SegmentSlot, at: number, from: Uint8Array, offset: number, length: number): void {
    // As a file does: one that somebody cut short grows again.
    if (this.fileOf(slot).length < at + length) this.resize(slot, at + length);
    this.fileOf(slot).set(from.subarray(offset, offset + length), at);
  }

  remove(slot: SegmentSlot, done: () => void): void {
    this.fileOf(slot);
    this.#files.delete(slot);
    done();
  }

  finishRemovals(): void {}

  close(): void {}

  get occupiedBytes(): number {
    let bytes = 0;
    for (const file of this.#files.values()) bytes += file.length;
    return bytes;
  }

  /** The file's own bytes: what a test flips, tears and cuts. */
  fileOf(slot: SegmentSlot): Uint8Array {
    const file = this.#files.get(slot);
    if (file === undefined) throw new Error(`segment ${slot} has no file`);
    return file;
  }

  /** Cuts a file short or makes it longer, as no engine does. */
  resize(slot: SegmentSlot, bytes: number): void {
    const resized = new Uint8Array(bytes);
    resized.set(this.fileOf(slot).subarray(0, bytes));
    this.#files.set(slot, resized);
  }
}
