import { assert } from '../base/assert.js';
import type { Prng } from '../base/prng.js';

/** What a disk writes whole. */
const SECTOR_BYTES = 512;

/** A change that no sync has covered: bytes that were written, or with null all that there was cut off. */
type Change = { readonly at: number; readonly bytes: Uint8Array } | null;

/**
 * The bytes of one file as processes see them, and beside them what its disk would have if the power went: of all that
 * was changed since the last sync any part, sector by sector, each in any state that it had. For tests.
 */
export class LossyBytes {
  readonly #now = new GrowingBytes();
  readonly #disk = new GrowingBytes();
  /** Undefined where the power never goes. */
  readonly #unsynced: Change[] | undefined;
  /** Changes that were synced or lost, ever. */
  #past = 0;

  constructor(options: { readonly losesPower: boolean }) {
    this.#unsynced = options.losesPower ? [] : undefined;
  }

  /** As processes see them: the bytes themselves, for a test to damage. */
  get now(): Uint8Array {
    return this.#now.bytes;
  }

  /** Changes so far, ever: what a sync that begins now covers. */
  get changes(): number {
    return this.#past + (this.#unsynced?.length ?? 0);
  }

  write(at: number, bytes: Uint8Array): void {
    this.#now.write(at, bytes);
    this.#unsynced?.push({ at, bytes: bytes.slice() });
  }

  /** As {@link write}, but chance decides of each sector whether it is written. */
  writeTorn(at: number, bytes: Uint8Array, prng: Prng): void {
    const luck = prng.below(4);
    for (let from = 0; from < bytes.length; from += SECTOR_BYTES)
      if (luck === 0 || (luck > 1 && prng.below(2) === 0))
        this.write(at + from, bytes.subarray(from, from + SECTOR_BYTES));
  }

  truncate(): void {
    this.#now.resize(0);
    this.#unsynced?.push(null);
  }

  /** The first `changes` of all have come to the disk. */
  settle(changes: number): void {
    for (const change of this.#take(changes)) {
      if (change === null) this.#disk.resize(0);
      else this.#disk.write(change.at, change.bytes);
    }
  }

  /** They have come to the disk in part, and what has not is never written back: so Linux does when a sync fails. */
  scatter(changes: number, prng: Prng): void {
    const lost = this.#take(changes);
    let end = this.#disk.bytes.length;
    const ends = [end];
    for (const change of lost) ends.push((end = change === null ? 0 : Math.max(end, change.at + change.bytes.length)));
    const longest = Math.max(...ends);
    // Mostly some of them, now and then none or all.
    const luck = prng.below(4);
    const draw = (): number => (luck === 0 ? 0 : luck === 1 ? lost.length : prng.below(lost.length + 1));
    const kept = Uint32Array.from({ length: Math.ceil(longest / SECTOR_BYTES) }, draw);
    this.#disk.resize(longest);
    for (const [n, change] of lost.entries()) {
      for (const [sector, count] of kept.entries()) if (n < count) this.#land(change, sector * SECTOR_BYTES);
    }
    this.#disk.resize(ends[draw()]!);
  }

  losePower(prng: Prng): void {
    assert(this.#unsynced !== undefined, 'these bytes keep in mind what is not synced');
    this.scatter(this.changes, prng);
    this.#now.resize(0);
    this.#now.write(0, this.#disk.bytes);
  }

  /** Of one sector. */
  #land(change: Change, from: number): void {
    const to = Math.min(from + SECTOR_BYTES, this.#disk.bytes.length);
    if (change === null) {
      this.#disk.bytes.fill(0, from, to);
      return;
    }
    const { at, bytes } = change;
    const start = Math.max(at, from);
    const end = Math.min(at + bytes.length, to);
    if (start < end) this.#disk.write(start, bytes.subarray(start - at, end - at));
  }

  #take(changes: number): Change[] {
    const taken = this.#unsynced?.splice(0, Math.max(0, changes - this.#past)) ?? [];
    this.#past += taken.length;
    return taken;
  }
}

/** As long as a file that was written so; what is between writes is zeros. */
class GrowingBytes {
  #room = new Uint8Array(4096);
  bytes: Uint8Array = this.#room.subarray(0, 0);

  write(at: number, bytes: Uint8Array): void {
    if (at + bytes.length > this.bytes.length) this.resize(at + bytes.length);
    this.bytes.set(bytes, at);
  }

  resize(length: number): void {
    if (length > this.#room.length) {
      const room = new Uint8Array(Math.max(length, 2 * this.#room.length));
      room.set(this.bytes);
      this.#room = room;
    }
    this.#room.fill(0, Math.min(length, this.bytes.length), this.bytes.length);
    this.bytes = this.#room.subarray(0, length);
  }
}
