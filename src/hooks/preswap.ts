/**
 * preswap: a guest's swap disk is a persistent pool. Page n of the disk is page n of the layer below; a page that was
 * never written, or was trimmed, is a hole and reads as zeros.
 *
 * What a guest writes is kept until it writes again or trims: a read keeps the page, because the guest's swap cache
 * may drop its copy without writing it again (seen in real guests: pages come in 1.4 times as often as they go out).
 */
import { assert } from '../base/assert.js';
import type { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Elsewhere } from '../base/elsewhere.js';
import { type Address, pageIndex } from '../base/ids.js';
import type { PageMemory } from '../base/page-memory.js';
import type { RoomWait } from '../base/room-wait.js';
import { PAGE_BYTES } from '../base/units.js';
import { LayerRead, LayerWrite, type PageLayer } from '../layers/layer.js';
import { type BlockFace, ReadOutcome, WriteOutcome } from './block-face.js';

export class Preswap implements BlockFace {
  readonly sizeBytes: number;
  readonly #layer: PageLayer;
  readonly #memory: PageMemory;
  /** Where pages are put together that are changed in part. May be shared: it means nothing between calls. */
  readonly #scratch: Address;

  /** `scratch` holds a page and is followed by 64 bytes of slack. */
  constructor(options: { sizeBytes: number; layer: PageLayer; memory: PageMemory; scratch: Address }) {
    assert(options.sizeBytes % PAGE_BYTES === 0, 'a swap disk is whole pages');
    this.sizeBytes = options.sizeBytes;
    this.#layer = options.layer;
    this.#memory = options.memory;
    this.#scratch = options.scratch;
  }

  get durability(): Durability | undefined {
    return this.#layer.durability;
  }

  get elsewhere(): Elsewhere | undefined {
    return this.#layer.elsewhere;
  }

  get room(): RoomWait | undefined {
    return this.#layer.room;
  }

  readPage(page: number, to: Address): ReadOutcome {
    const read = this.#layer.read(pageIndex(page), to);
    if (read === LayerRead.page) return ReadOutcome.data;
    if (read === LayerRead.nothing) return ReadOutcome.hole;
    return read === LayerRead.away ? ReadOutcome.away : ReadOutcome.damaged;
  }

  readPart(page: number, start: number, length: number, to: Address): ReadOutcome {
    const outcome = this.readPage(page, this.#scratch);
    if (outcome === ReadOutcome.data) {
      const from = this.#scratch + start;
      this.#memory.bytes.copyWithin(to, from, from + length);
    }
    return outcome;
  }

  writePage(page: number, from: Address): WriteOutcome {
    const written = this.#layer.replace(pageIndex(page), from);
    if (written === LayerWrite.kept) return WriteOutcome.stored;
    if (written === LayerWrite.later) return WriteOutcome.later;
    return written === LayerWrite.frozen ? WriteOutcome.frozen : WriteOutcome.full;
  }

  writePart(page: number, start: number, length: number, from: Address): WriteOutcome {
    const loaded = this.#load(page);
    if (loaded !== WriteOutcome.stored) return loaded;
    this.#memory.bytes.copyWithin(this.#scratch + start, from, from + length);
    return this.writePage(page, this.#scratch);
  }

  zeroPart(page: number, start: number, length: number): WriteOutcome {
    // Part of a hole is zeros already.
    if (!this.#layer.has(pageIndex(page))) return WriteOutcome.stored;
    const loaded = this.#load(page);
    if (loaded !== WriteOutcome.stored) return loaded;
    this.#memory.bytes.fill(0, this.#scratch + start, this.#scratch + start + length);
    return this.writePage(page, this.#scratch);
  }

  flushPages(first: number, count: number): void {
    this.#layer.flush(pageIndex(first), count);
  }

  endOfRun(first: number, end: number): number {
    return this.#layer.endOfRun(first, end);
  }

  isHole(page: number): boolean {
    return !this.#layer.has(pageIndex(page));
  }

  commit(): CommitOutcome {
    return this.#layer.commit();
  }

  catchUp(): void {
    this.#layer.catchUp();
  }

  /** The whole page to the scratch page, zeros for a hole. Where that is not done its other bytes are unknown. */
  #load(page: number): WriteOutcome {
    const outcome = this.readPage(page, this.#scratch);
    if (outcome === ReadOutcome.hole) this.#memory.bytes.fill(0, this.#scratch, this.#scratch + PAGE_BYTES);
    if (outcome === ReadOutcome.away) return WriteOutcome.away;
    return outcome === ReadOutcome.damaged ? WriteOutcome.damaged : WriteOutcome.stored;
  }
}
