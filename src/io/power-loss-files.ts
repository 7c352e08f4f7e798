import type { SegmentSlot } from '../base/ids.js';
import type { Prng } from '../base/prng.js';
import type { FilesSync, SegmentFiles } from '../base/segment-files.js';
import { NoSpaceError } from './memory-segment-files.js';

/** What a disk writes whole. */
const SECTOR_BYTES = 512;
/** What a kernel writes back whole. */
const BLOCK_BYTES = 4096;

/** A write that no sync has covered. */
interface Unsynced {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** What a file holds, whatever its name. */
class Inode {
  /** As processes see it. */
  now: Uint8Array;
  /** As it would be if the power went and nothing unsynced had been written back. */
  disk: Uint8Array = new Uint8Array(0);
  readonly #unsynced: Unsynced[] = [];
  /** Writes that were synced or lost, ever. */
  #past = 0;

  constructor(bytes: number) {
    this.now = new Uint8Array(bytes);
    this.#unsynced.push({ at: 0, bytes: new Uint8Array(bytes) });
  }

  /** Writes so far, ever. */
  get writes(): number {
    return this.#past + this.#unsynced.length;
  }

  write(at: number, bytes: Uint8Array): void {
    if (at + bytes.length > this.now.length) this.now = resized(this.now, at + bytes.length);
    this.now.set(bytes, at);
    this.#unsynced.push({ at, bytes });
  }

  /**
   * The unsynced ones of the first `count` writes have each come to the disk or not, unit by unit, in any order: of what a unit was
   * to become, one state is there. Then they are unsynced no more.
   */
  scatter(count: number, unit: number, prng: Prng): void {
    const writes = this.#takeUntil(count);
    const end = Math.max(this.disk.length, ...writes.map(({ at, bytes }) => at + bytes.length));
    const size = prng.below(3) === 0 ? this.disk.length + prng.below(end - this.disk.length + 1) : end;
    this.disk = resized(this.disk, Math.max(this.disk.length, size));
    const luck = prng.below(4);
    for (let from = 0; from < this.disk.length; from += unit) {
      const touching = writes.filter(({ at, bytes }) => at < from + unit && at + bytes.length > from);
      if (touching.length === 0) continue;
      // Mostly one or the other, now and then all or nothing.
      const kept = luck === 0 ? 0 : luck === 1 ? touching.length : prng.below(touching.length + 1);
      for (const write of touching.slice(0, kept)) this.#land(write, from, from + unit);
    }
  }

  /** The first `count` writes are on the disk. */
  settle(count: number): void {
    for (const write of this.#takeUntil(count)) {
      this.disk = resized(this.disk, Math.max(this.disk.length, write.at + write.bytes.length));
      this.#land(write, 0, this.disk.length);
    }
  }

  #takeUntil(count: number): Unsynced[] {
    const taken = this.#unsynced.splice(0, Math.max(0, count - this.#past));
    this.#past += taken.length;
    return taken;
  }

  #land({ at, bytes }: Unsynced, from: number, to: number): void {
    const start = Math.max(at, from);
    const end = Math.min(at + bytes.length, to, this.disk.length);
    if (start < end) this.disk.set(bytes.subarray(start - at, end - at), start);
  }
}

/**
 * Segment files in memory as a disk keeps them: what processes see, and beside it what would be left if the power went.
 * Of all that was changed since the last sync any part may be: sectors in any order, each in any state it had, sizes,
 * names of files that were made or removed. A sync ends when the test says so, well or not.
 */
export class PowerLossFiles implements SegmentFiles {
  readonly syncing: FilesSync;
  /** Of the disk. */
  roomBytes: number = Infinity;
  readonly #prng: Prng;
  #files = new Map<SegmentSlot, Inode>();
  /** Names as they are on the disk, and what was done to them since, in order. */
  #names = new Map<SegmentSlot, Inode>();
  #renamed: { readonly slot: SegmentSlot; readonly inode: Inode | undefined }[] = [];
  #renamesPast = 0;
  /** Of the sync under way. */
  #running:
    { readonly inodes: ReadonlyMap<Inode, number>; readonly names: number; done(error: unknown): void } | undefined;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.syncing = {
      begin: (done) => {
        if (this.#running !== undefined) throw new Error('one sync at a time');
        this.#running = { ...this.#covered(), done };
      },
      now: () => this.#settle(this.#covered()),
    };
  }

  list(): readonly { slot: SegmentSlot; bytes: number }[] {
    const all = [...this.#files].map(([slot, { now }]) => ({ slot, bytes: now.length }));
    return all.toSorted((a, b) => a.slot - b.slot);
  }

  create(slot: SegmentSlot, bytes: number): void {
    if (this.#files.has(slot)) throw new Error(`segment ${slot} exists`);
    const occupied = this.list().reduce((sum, file) => sum + file.bytes, 0);
    if (occupied + bytes > this.roomBytes) throw new NoSpaceError('no space left on the disk');
    this.#name(slot, new Inode(bytes));
  }

  read(slot: SegmentSlot, at: number, into: Uint8Array, offset: number, length: number): number {
    const part = this.#inode(slot).now.subarray(at, at + length);
    into.set(part, offset);
    return part.length;
  }

  write(slot: SegmentSlot, at: number, from: Uint8Array, offset: number, length: number): void {
    this.#inode(slot).write(at, from.slice(offset, offset + length));
  }

  remove(slot: SegmentSlot, done: () => void): void {
    this.#inode(slot);
    this.#name(slot, undefined);
    done();
  }

  finishRemovals(): void {}

  close(): void {}

  get isSyncing(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Ends the sync under way. `fault`: it failed, and what it was to keep has come to the disk or not, and is never
   * written back again: that is what Linux does.
   */
  endSync(how: 'done' | 'fault'): void {
    const running = this.#running!;
    this.#running = undefined;
    if (how === 'done') this.#settle(running);
    else for (const [inode, count] of running.inodes) inode.scatter(count, this.#anyUnit(), this.#prng);
    running.done(how === 'done' ? undefined : new SyncError('a write was lost'));
  }

  /** The process is gone; the files are as they are. */
  forgetSync(): void {
    this.#running = undefined;
  }

  losePower(): void {
    this.forgetSync();
    const unit = this.#anyUnit();
    const inodes = new Set([...this.#names.values(), ...this.#files.values()]);
    for (const inode of inodes) {
      inode.scatter(inode.writes, unit, this.#prng);
      inode.now = inode.disk.slice();
    }
    for (const slot of new Set(this.#renamed.map((each) => each.slot))) {
      const changes = this.#renamed.filter((each) => each.slot === slot);
      const last = changes[this.#prng.below(changes.length + 1) - 1];
      if (last !== undefined) this.#setName(last);
    }
    this.#renamesPast += this.#renamed.length;
    this.#renamed = [];
    this.#files = new Map(this.#names);
  }

  #anyUnit(): number {
    return this.#prng.below(2) === 0 ? SECTOR_BYTES : BLOCK_BYTES;
  }

  /** What a sync that begins now covers. */
  #covered(): { inodes: Map<Inode, number>; names: number } {
    const inodes = new Map([...this.#files.values()].map((inode) => [inode, inode.writes]));
    return { inodes, names: this.#renamesPast + this.#renamed.length };
  }

  #settle({ inodes, names }: { readonly inodes: ReadonlyMap<Inode, number>; readonly names: number }): void {
    for (const [inode, count] of inodes) inode.settle(count);
    const settled = this.#renamed.splice(0, Math.max(0, names - this.#renamesPast));
    this.#renamesPast += settled.length;
    for (const change of settled) this.#setName(change);
  }

  #name(slot: SegmentSlot, inode: Inode | undefined): void {
    if (inode === undefined) this.#files.delete(slot);
    else this.#files.set(slot, inode);
    this.#renamed.push({ slot, inode });
  }

  #setName({ slot, inode }: { readonly slot: SegmentSlot; readonly inode: Inode | undefined }): void {
    if (inode === undefined) this.#names.delete(slot);
    else this.#names.set(slot, inode);
  }

  #inode(slot: SegmentSlot): Inode {
    const inode = this.#files.get(slot);
    if (inode === undefined) throw new Error(`segment ${slot} has no file`);
    return inode;
  }
}

class SyncError extends Error {
  readonly code = 'EIO';
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  const other = new Uint8Array(length);
  other.set(bytes.subarray(0, length));
  return other;
}
