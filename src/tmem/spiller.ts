/**
 * The way out: when the store is nearly full, or a guest nearly at its cap, pages that nobody used lately leave for their
 * pool's spill file, and whoever was refused meanwhile is told when there is room.
 *
 *      hand ──▶ a batch of pages ──▶ slots written ──(disk: synced)──▶ marks, one commit ──▶ room
 *
 * Nothing here waits. A batch is moved on by the callbacks of its file, between the batches of the store's users; a page
 * that was used meanwhile stays in the store, and its slot is free again. Until its mark is committed a page is where it
 * was, so a death at any moment costs nothing but the work.
 */
import { CommitOutcome } from '../base/commit-outcome.js';
import type { PageIndex } from '../base/ids.js';
import type { SpillFile } from '../base/spill-file.js';
import { KIB, PAGE_BYTES } from '../base/units.js';
import { GetOutcome } from '../engine/get-outcome.js';
import type { PageHash } from '../engine/record.js';
import { NO_SLOT } from '../engine/spilling.js';
import type { StoredObject } from '../engine/stored-object.js';
import { PoolSpill, type SpillGround } from './pool-spill.js';
import type { TmemPool } from './tmem-pool.js';

/** Spilling begins where cleaning gets dear for puts (a put then moves three records), and ends a little below. */
const FILL_MAX = 0.85;
const FILL_ENOUGH = 0.8;

/** What a guest with a cap keeps free below it: a turn's worth of pages that do not compress. */
const CAP_SLACK_BYTES: number = 256 * KIB;

/** Pages of a batch, and batches that are on their way at once. */
const BATCH_PAGES = 16;
const BATCHES_MAX = 4;

/** Pages that the hand may look at in one go: 0.2 ms. */
const LOOKS_MAX = 8192;

/** Turns of the hand that find nothing: the first takes the marks of use away, the second may have met new ones. */
const TURNS_MAX = 3;

/** Before a file that failed is tried again, and a hand that found nothing goes round again. */
const PAUSE_US = 1e6;

interface Leaving {
  readonly object: StoredObject;
  readonly index: PageIndex;
  readonly slot: number;
  readonly hash: PageHash;
}

/** What others may know of the way out. */
export interface SpillProgress {
  /** Whether pages of some pool may leave, or are leaving. */
  readonly canSpill: boolean;
  /** Whether a batch is on its way. */
  readonly isWriting: boolean;
  /** Batches that were written, or could not be; pages that have left. */
  readonly batchesEnded: number;
  readonly pagesOut: number;
}

export class Spiller implements SpillProgress {
  batchesEnded = 0;
  pagesOut = 0;
  readonly #ground: SpillGround;
  readonly #spills: PoolSpill[] = [];
  /** Whose pages the hand is at. */
  #at = 0;
  #isSpilling = false;
  #isPumping = false;
  #nowUs = 0;
  /** Bytes that the host has asked back and that have not been found yet. */
  #demanded = 0;
  #waiting: (() => void)[] = [];

  constructor(ground: SpillGround) {
    this.#ground = ground;
  }

  /** Memory of what slots are in use. */
  get metadataBytes(): number {
    return this.#spills.reduce((sum, { slots }) => sum + slots.bytes, 0);
  }

  get canSpill(): boolean {
    return this.#spills.some(({ canSpill, writing }) => canSpill || writing > 0);
  }

  get isWriting(): boolean {
    return this.#batches() > 0;
  }

  /** From now on pages of the pool may leave for this file. */
  add(pool: TmemPool, file: SpillFile): PoolSpill {
    const spill = new PoolSpill(this.#ground, pool, file);
    this.#spills.push(spill);
    return spill;
  }

  /** The pool is no more. */
  remove(spill: PoolSpill): void {
    this.#spills.splice(this.#spills.indexOf(spill), 1);
    spill.retire();
  }

  /** Nothing leaves or comes back any more. */
  close(): void {
    for (const spill of this.#spills.splice(0)) spill.close();
  }

  /** Whether a put of the pool that was refused may succeed later. @param isOver - it was refused for the guest's cap */
  mayMakeRoom(pool: TmemPool, isOver: boolean): boolean {
    return this.#spills.some(
      (spill) => (spill.canSpill || spill.writing > 0) && (!isOver || spill.pool.owner === pool.owner),
    );
  }

  /** Calls back once, when a batch has left, or it is clear that none will, or a tick later. */
  waitForRoom(resume: () => void): void {
    this.#waiting.push(resume);
    this.pump();
  }

  /** Pages of so many bytes as stored are to leave. */
  demand(bytes: number): void {
    if (this.#spills.length === 0) return;
    this.#demanded += bytes;
    this.pump();
  }

  /** Sends batches on their way, as far as they are needed. Call it when something was stored, between batches. */
  pump(): void {
    if (this.#spills.length === 0 || this.#isPumping) return;
    this.#isPumping = true;
    let looks = LOOKS_MAX;
    for (let batches = this.#batches(); batches < BATCHES_MAX && looks > 0; batches = this.#batches()) {
      const spill = this.#next();
      if (spill === undefined) break;
      looks -= this.#sendBatch(spill, looks);
    }
    this.#isPumping = false;
    if (this.#batches() === 0 && this.#waiting.length > 0 && !this.#spills.some(({ canSpill }) => canSpill)) {
      this.#wake();
    }
  }

  /** A few times a second. */
  tick(nowUs: number): void {
    this.#nowUs = nowUs;
    for (const spill of this.#spills) {
      if (nowUs >= spill.failingUntilUs) spill.isFailing = spill.isExhausted = false;
      spill.tidy();
    }
    this.pump();
    this.#wake();
  }

  #batches(): number {
    return this.#spills.reduce((sum, { writing }) => sum + writing, 0);
  }

  /** Whose pages should leave next, if any should. */
  #next(): PoolSpill | undefined {
    const capped = this.#spills.find(
      ({ canSpill, pool: { owner } }) => canSpill && owner.spareBytes < Math.min(CAP_SLACK_BYTES, owner.capBytes / 8),
    );
    if (capped !== undefined) return capped;
    const { fill } = this.#ground.engine.room;
    this.#isSpilling = fill > (this.#isSpilling ? FILL_ENOUGH : FILL_MAX);
    if (!this.#isSpilling && this.#waiting.length === 0 && this.#demanded <= 0) return undefined;
    for (let tried = 0; tried < this.#spills.length; tried++, this.#at++) {
      const spill = this.#spills[this.#at % this.#spills.length]!;
      if (spill.canSpill) return spill;
    }
    if (this.#batches() === 0) this.#demanded = 0;
    return undefined;
  }

  /** @returns pages looked at, 1 or more */
  #sendBatch(spill: PoolSpill, looks: number): number {
    const { engine, memory, scratch } = this.#ground;
    const { hand } = spill;
    const leaving: Leaving[] = [];
    const bytes = new Uint8Array(BATCH_PAGES * PAGE_BYTES);
    let looked = 0;
    const { turns } = hand;
    while (looked < looks && leaving.length < BATCH_PAGES && hand.turns === turns) {
      looked += Math.max(1, hand.next(looks - looked));
      const { object, index } = hand;
      if (object === undefined || engine.peek(object, index, scratch) !== GetOutcome.hit) continue;
      const slot = spill.take();
      if (slot === NO_SLOT) break;
      bytes.set(memory.bytes.subarray(scratch, scratch + PAGE_BYTES), leaving.length * PAGE_BYTES);
      leaving.push({ object, index, slot, hash: engine.spilling.hashOf(scratch) });
    }
    const wentRound = hand.turns !== turns;
    if (leaving.length > 0) {
      hand.turns = 0;
      this.#write(spill, leaving, bytes);
    } else if (hand.turns >= TURNS_MAX) {
      if (spill.writing > 0) spill.isAllOut = true;
      else {
        spill.isExhausted = true;
        spill.failingUntilUs = this.#nowUs + PAUSE_US;
      }
      // Else the next try would end before pages that were used since could be found.
      hand.turns = 0;
    }
    // It has been round: the others' pages are next.
    if (wentRound) this.#at++;
    return Math.max(1, looked);
  }

  /** Runs of slots that follow each other are one write. */
  #write(spill: PoolSpill, leaving: readonly Leaving[], bytes: Uint8Array): void {
    spill.writing++;
    const { syncFailures } = spill;
    let [writes, failure]: [number, Error | undefined] = [1, undefined];
    const synced = (error: Error | undefined): void => {
      if (error !== undefined) spill.syncFailures++;
      // What the one that failed was to write is lost, whoever wrote it, and the next sync would not say so.
      else if (spill.syncFailures > syncFailures) failure = new Error('a sync failed');
      this.#end(spill, leaving, error ?? failure);
    };
    const done = (error?: Error): void => {
      failure ??= error;
      if (--writes > 0) return;
      if (failure === undefined && this.#ground.engine.durability !== undefined) spill.file.sync(synced);
      else this.#end(spill, leaving, failure);
    };
    for (let from = 0, to = 1; from < leaving.length; from = to, to++) {
      while (to < leaving.length && leaving[to]!.slot === leaving[to - 1]!.slot + 1) to++;
      writes++;
      spill.file.write(leaving[from]!.slot, bytes.subarray(from * PAGE_BYTES, to * PAGE_BYTES), done);
    }
    done();
  }

  #end(spill: PoolSpill, leaving: readonly Leaving[], error: Error | undefined): void {
    spill.endWriting();
    this.batchesEnded++;
    const before = spill.pool.stored.storedBytes;
    const marked = error === undefined ? this.#mark(leaving) : new Set<Leaving>();
    const isKept = marked.size > 0 && this.#ground.commit() === CommitOutcome.done;
    for (const page of leaving) {
      if (!marked.has(page)) spill.slots.give(page.slot);
      // What was taken back from the files of a disk may come back by a power loss.
      else if (!isKept) spill.release(page.slot);
    }
    if (error !== undefined) {
      spill.failures++;
      spill.isFailing = true;
      spill.failingUntilUs = this.#nowUs + PAUSE_US;
    }
    if (isKept) {
      spill.pagesOut += marked.size;
      this.pagesOut += marked.size;
      this.#demanded = Math.max(0, this.#demanded - (before - spill.pool.stored.storedBytes));
      this.#ground.engine.catchUp();
    }
    this.pump();
    this.#wake();
  }

  #mark(leaving: readonly Leaving[]): Set<Leaving> {
    const { spilling } = this.#ground.engine;
    return new Set(leaving.filter(({ object, index, slot, hash }) => spilling.mark(object, index, slot, hash)));
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}
