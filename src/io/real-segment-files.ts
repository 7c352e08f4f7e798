import fs from 'node:fs';
import path from 'node:path';
import { assert } from '../base/assert.js';
import { systemCode } from '../base/errors.js';
import { segmentSlot, type SegmentSlot } from '../base/ids.js';
import type { FilesSync, SegmentFiles } from '../base/segment-files.js';
import { MIB } from '../base/units.js';
import { FolderSync } from './folder-sync.js';

const NAME = /^segment-(\d{5})$/;

/**
 * Segment files in a folder. On tmpfs, what `pwrite` has written outlives this process, which is all the durability
 * there is to have. Every file stays open: at most 32,768 descriptors (see SEGMENTS_MAX).
 */
export class RealSegmentFiles implements SegmentFiles {
  readonly #folder: string;
  readonly #descriptors = new Map<SegmentSlot, number>();
  readonly #readOnly: boolean;
  /** What is left to be done of files that were removed, in order. */
  readonly #removals = new Set<() => void>();
  readonly #sync: FolderSync | undefined;

  /**
   * @param options.onDisk - what is written outlives the host after a sync
   * @throws a system error when the folder cannot be made or a file in it cannot be opened.
   */
  constructor(folder: string, options: { readOnly?: boolean; onDisk?: boolean } = {}) {
    this.#folder = folder;
    this.#readOnly = options.readOnly ?? false;
    if (!this.#readOnly) fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of fs.readdirSync(folder)) {
      const slot = NAME.exec(name)?.[1];
      if (slot === undefined) continue;
      this.#descriptors.set(
        segmentSlot(Number(slot)),
        fs.openSync(path.join(folder, name), this.#readOnly ? 'r' : 'r+'),
      );
    }
    if (options.onDisk === true) this.#sync = new FolderSync(folder, this.#descriptors);
  }

  get syncing(): FilesSync | undefined {
    return this.#sync;
  }

  list(): readonly { slot: SegmentSlot; bytes: number }[] {
    return [...this.#descriptors]
      .map(([slot, descriptor]) => ({ slot, bytes: fs.fstatSync(descriptor).size }))
      .toSorted((a, b) => a.slot - b.slot);
  }

  create(slot: SegmentSlot, bytes: number): void {
    const file = this.#pathOf(slot);
    const descriptor = fs.openSync(file, 'wx+', 0o600);
    try {
      for (let at = 0; at < bytes;) {
        at += fs.writeSync(descriptor, ZEROS, 0, Math.min(ZEROS.length, bytes - at), at);
      }
    } catch (error) {
      fs.closeSync(descriptor);
      fs.unlinkSync(file);
      throw error;
    }
    this.#descriptors.set(slot, descriptor);
    this.#sync?.changed(slot);
    this.#sync?.renamed();
  }

  read(slot: SegmentSlot, at: number, into: Uint8Array, offset: number, length: number): number {
    const descriptor = this.#descriptorOf(slot);
    let done = 0;
    while (done < length) {
      const read = fs.readSync(descriptor, into, offset + done, length - done, at + done);
      if (read === 0) break;
      done += read;
    }
    return done;
  }

  write(slot: SegmentSlot, at: number, from: Uint8Array, offset: number, length: number): void {
    const descriptor = this.#descriptorOf(slot);
    this.#sync?.changed(slot);
    // A short write is followed by the rest, or by the error that cut it short.
    for (let done = 0; done < length;) {
      done += fs.writeSync(descriptor, from, offset + done, length - done, at + done);
    }
  }

  remove(slot: SegmentSlot, done: () => void): void {
    const descriptor = this.#descriptorOf(slot);
    this.#descriptors.delete(slot);
    if (this.#sync === undefined) return this.#removeFromMemory(slot, descriptor, done);
    this.#sync.renamed();
    this.#sync.whenIdle(() => this.#unlink(slot, descriptor, done));
  }

  finishRemovals(): void {
    for (const finish of this.#removals) finish();
  }

  close(): void {
    this.finishRemovals();
    const close = (): void => {
      for (const descriptor of this.#descriptors.values()) fs.closeSync(descriptor);
      this.#descriptors.clear();
    };
    if (this.#sync === undefined) return close();
    this.#sync.whenIdle(() => {
      close();
      this.#sync?.close();
    });
  }

  /** The name goes at once. Memory goes with the last descriptor, 60 us for half a mebibyte: in a turn of its own. */
  #removeFromMemory(slot: SegmentSlot, descriptor: number, done: () => void): void {
    let failed: unknown;
    try {
      fs.unlinkSync(this.#pathOf(slot));
    } catch (error) {
      failed = error;
    }
    const finish = (): void => {
      if (!this.#removals.delete(finish)) return;
      fs.closeSync(descriptor);
      // A file that stays is found, and given back, at the next start; its slot stays out of use until then.
      if (failed === undefined || systemCode(failed) === 'ENOENT') done();
    };
    this.#removals.add(finish);
    setImmediate(finish);
  }

  /** A disk may take as long as it likes, on another thread. */
  #unlink(slot: SegmentSlot, descriptor: number, done: () => void): void {
    fs.unlink(this.#pathOf(slot), (failed) => {
      fs.close(descriptor, () => {
        if (failed === null || systemCode(failed) === 'ENOENT') done();
      });
    });
  }

  #pathOf(slot: SegmentSlot): string {
    return path.join(this.#folder, `segment-${String(slot).padStart(5, '0')}`);
  }

  #descriptorOf(slot: SegmentSlot): number {
    const descriptor = this.#descriptors.get(slot);
    assert(descriptor !== undefined, `segment ${slot} has a file`);
    return descriptor;
  }
}

const ZEROS = new Uint8Array(MIB);
