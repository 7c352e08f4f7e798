import fs from 'node:fs';
import path from 'node:path';
import { assert } from '../base/assert.js';
import type { SegmentSlot } from '../base/ids.js';
import type { FilesSync } from '../base/segment-files.js';

/** Files synced at once: the disk may take them together, and one of libuv's four threads is left for others. */
const AT_ONCE = 3;

/**
 * `fdatasync` of the segment files that were changed, then `fsync` of their folder where names were. On threads of libuv,
 * so that a disk that takes its time delays nobody who does not ask for it.
 */
export class FolderSync implements FilesSync {
  readonly #folder: string;
  readonly #folderDescriptor: number;
  readonly #descriptors: ReadonlyMap<SegmentSlot, number>;
  readonly #changed = new Set<SegmentSlot>();
  #namesChanged = false;
  /** What the sync under way is about; a file must not be closed meanwhile, or its number would soon be another's. */
  #running: readonly SegmentSlot[] | undefined;
  #afterwards: (() => void)[] = [];
  /** What a former process has left unsynced nobody knows. */
  #isFirst = true;
  #isClosed = false;

  /** @param descriptors - of the files that are there, live */
  constructor(folder: string, descriptors: ReadonlyMap<SegmentSlot, number>) {
    this.#folder = folder;
    this.#folderDescriptor = fs.openSync(folder, 'r');
    this.#descriptors = descriptors;
  }

  /** To be told of each write. */
  changed(slot: SegmentSlot): void {
    this.#changed.add(slot);
  }

  /** To be told of each file made or removed. */
  renamed(): void {
    this.#namesChanged = true;
  }

  begin(done: (error: unknown) => void): void {
    assert(this.#running === undefined, 'one sync at a time');
    const slots = [...this.#changed];
    const names = this.#namesChanged;
    this.#changed.clear();
    this.#namesChanged = false;
    this.#running = slots;
    let next = 0;
    let workers = AT_ONCE;
    let failure: unknown;
    const end = (error: unknown): void => {
      this.#running = undefined;
      for (const action of this.#afterwards.splice(0)) action();
      done(error);
    };
    const ended = (): void => {
      if (failure !== undefined || !names) return end(failure);
      fs.fsync(this.#folderDescriptor, (error) => end(error ?? undefined));
    };
    const work = (): void => {
      while (next < slots.length) {
        const descriptor = this.#descriptors.get(slots[next++]!);
        // Removed since: nobody needs it any more.
        if (descriptor === undefined) continue;
        fs.fdatasync(descriptor, (error) => {
          failure ??= error ?? undefined;
          work();
        });
        return;
      }
      if (--workers === 0) ended();
    };
    // Never within the call.
    setImmediate(() => {
      for (let n = 0; n < AT_ONCE; n++) work();
    });
  }

  now(): void {
    const slots = this.#isFirst ? [...this.#descriptors.keys()] : [...(this.#running ?? []), ...this.#changed];
    for (const slot of new Set(slots)) {
      const descriptor = this.#descriptors.get(slot);
      if (descriptor !== undefined) fs.fdatasyncSync(descriptor);
    }
    fs.fsyncSync(this.#folderDescriptor);
    // The folder itself, and that of the arena, may be new as well.
    if (this.#isFirst) for (const above of ['..', '../..']) syncFolder(path.join(this.#folder, above));
    this.#isFirst = false;
    this.#changed.clear();
    this.#namesChanged = false;
  }

  /** Does it when no sync is under way: at once, mostly. */
  whenIdle(action: () => void): void {
    if (this.#running === undefined) action();
    else this.#afterwards.push(action);
  }

  /** Twice is once. */
  close(): void {
    if (!this.#isClosed) fs.closeSync(this.#folderDescriptor);
    this.#isClosed = true;
  }
}

function syncFolder(folder: string): void {
  const descriptor = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
