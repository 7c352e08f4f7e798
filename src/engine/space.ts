/**
 * How many segment files there are: never more than the capacity, little more than the live bytes need, and always
 * the reserve.
 *
 * Cleaning is paid as it goes. Once the arena is as large as its live bytes and the slack allow, as many bytes are
 * reclaimed as batches have written: best right behind a batch whose replies have left, in steps as small as the debt,
 * so that a client that waits for each reply finds the work done when it asks again; at the latest before the next
 * batch. No request waits for a whole segment.
 *
 * On a disk a file that was made or cleaned can be used only after a sync or two. So some are kept ahead, which count as
 * room to come, and what finds no room may wait for it (see arena-sync.ts).
 */
import { systemCode, TmemError } from '../base/errors.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB, MIB } from '../base/units.js';
import type { ArenaSync } from './arena-sync.js';
import { type Cleaner, STEP_BYTES } from './cleaner.js';
import { type LogWriter, RESERVE_SEGMENTS, STAGE_BYTES, type StagingUse } from './log-writer.js';
import type { SegmentTable } from './segment-table.js';

/**
 * Waste allowed under load, of the live bytes: a quarter, less what rounding up to whole segments adds. Greedy cleaning
 * under uniform overwrites moves 1.75 records for each put at 25 %, 3.2 at 15 %, 5.2 at 10 %.
 */
export const LOAD_SLACK = 0.24;

/** Waste left after a quiet moment: a tenth, less what rounding up to whole segments adds. */
export const IDLE_SLACK = 0.095;

/** Share of the capacity that live bytes may take: above it a put would move more than ten records to make room for one. */
const LIVE_SHARE_MAX = 0.92;

/** Part of that which cleaning finds room in cheaply, moving about two records for each put. */
const CHEAP_SHARE = 0.85;

/** A smaller step costs more to write than it moves: this is about two pages' worth. */
const STEP_BYTES_MIN: number = 4 * KIB;

/** What is passed for each byte of debt: enough where three quarters of a victim are live. */
const PASSED_PER_DEBT = 4;

/** The same where room gets short, and what is passed at least: so that no batch has to wait for room. */
const PASSED_IN_HASTE = 6;
const HASTY_BYTES_MIN: number = 16 * KIB;

/** After the file system said "full", puts do without a new file for this many batches: asking costs a megabyte of zeros. */
const FULL_BATCHES = 64;

/** On a disk: segments kept ahead of those that are used, at most, and their part of the arena. */
const AHEAD_MAX = 8;
const AHEAD_SHARE = 1 / 16;

/** Files made before a batch that could do without. */
const FILES_AHEAD_PER_BATCH = 2;

/** `working`: ask again. `waiting`: ask again a little later, for a sync has to end. `none`: there is nothing to give up. */
export const YieldOutcome = { given: 0, working: 1, waiting: 2, none: 3 } as const;
export type YieldOutcome = (typeof YieldOutcome)[keyof typeof YieldOutcome];

/** How much room there is, as others may know it. */
export interface Room {
  /** Part of what live bytes may take that they do take. Above 1 no put is taken, near it one costs much cleaning. */
  readonly fill: number;
  /** Bytes of segments that {@link Space.yieldFile} would give up. */
  yieldableBytes(cheaply: boolean): number;
}

export class Space implements Room {
  readonly #files: SegmentFiles;
  readonly #segments: SegmentTable;
  readonly #log: LogWriter;
  readonly #batchBytesMax: number;
  readonly #sync: ArenaSync | undefined;
  readonly #ahead: number;
  #fullForBatches = 0;
  /** Bytes that puts have written and cleaning need not match: there was room for them. */
  #forgiven = 0;
  /** Bytes that puts had written when {@link catchUp} was called last. */
  #caughtUpAt = 0;

  /** @param sync - where segments are free only after one */
  constructor(
    files: SegmentFiles,
    segments: SegmentTable,
    log: LogWriter,
    batchBytesMax: number,
    sync: ArenaSync | undefined,
  ) {
    this.#sync = sync;
    this.#ahead = sync === undefined ? 0 : Math.min(AHEAD_MAX, Math.floor(segments.filesMax * AHEAD_SHARE));
    this.#files = files;
    this.#segments = segments;
    this.#log = log;
    this.#batchBytesMax = batchBytesMax;
  }

  /**
   * Whether live bytes may grow by this much. What shrinks always may. Files are made before they are needed: when the
   * file system is full of something else one day, those that are there must hold what is stored and the slack that
   * overwriting it takes.
   */
  takes(growth: number): boolean {
    return growth <= 0 || this.#fits(growth, 1);
  }

  /** The same without making puts pay dearly for cleaning: for a store that has something to give up instead. */
  takesCheaply(growth: number): boolean {
    return this.#fits(growth, CHEAP_SHARE);
  }

  /**
   * Makes one more free file, on a disk one that is free after a sync, if capacity and file system have room. Whatever
   * the file system answers is "no room", EMFILE and EIO too: the store goes on with the files it has, and asks again.
   */
  makeFree(use: StagingUse): boolean {
    if (use === 'put' && this.#fullForBatches > 0) return false;
    if (this.#sync !== undefined && this.#sync.failures > 0) return false;
    let slot = this.#segments.absentSlot();
    if (slot === undefined && this.#segments.filesKept < this.#segments.filesMax) {
      // What was given back a moment ago and is not gone yet is asked for again.
      this.#files.finishRemovals();
      slot = this.#segments.absentSlot();
    }
    if (slot === undefined) return false;
    const { budget, segmentBytes } = this.#segments;
    if (!this.#takeFile()) return false;
    try {
      this.#files.create(slot, segmentBytes);
      this.#sync?.addFile(slot);
    } catch (error) {
      budget?.give(segmentBytes);
      if (systemCode(error) === undefined) throw error;
      this.#fullForBatches = FULL_BATCHES;
      return false;
    }
    if (this.#sync === undefined) this.#segments.addFree(slot);
    return true;
  }

  /** One file's part of the capacity, where it is shared. */
  #takeFile(): boolean {
    const { budget, segmentBytes, files, filesKept } = this.#segments;
    if (budget === undefined || budget.take(segmentBytes)) return true;
    if (files === filesKept) return false;
    // What was given back a moment ago may be all there is.
    this.#files.finishRemovals();
    return budget.take(segmentBytes);
  }

  /** At start: makes the segments that tombstones and cleaning rely on. @throws TmemError E_ARENA_FULL */
  fillReserve(cleaner: Cleaner): void {
    // On a disk the first put would have to wait for one.
    const wanted = RESERVE_SEGMENTS + (this.#sync === undefined ? 0 : 1);
    for (let steps = this.#stepsMax(); steps > 0 && this.#segments.freeFiles < wanted; steps--) {
      if (this.#spareFiles() < 1 && this.makeFree('upkeep')) continue;
      if (this.#sync !== undefined && this.#segments.comingFiles > 0) this.#sync.syncNow();
      else if (!this.makeFree('upkeep') && !cleaner.step()) break;
    }
    if (this.#segments.freeFiles >= RESERVE_SEGMENTS) return;
    const needed = (RESERVE_SEGMENTS * this.#segments.segmentBytes) / MIB;
    throw new TmemError(
      'E_ARENA_FULL',
      `the arena cannot grow by the ${needed} MiB it keeps in reserve: free memory on its file system, or raise the capacity`,
    );
  }

  /** Cleans what batches owe, and faster where room gets short. What a step reclaims beyond that is credit. */
  catchUp(cleaner: Cleaner): void {
    const put = this.#log.writtenBytes - cleaner.movedBytes;
    const fresh = put - this.#caughtUpAt;
    this.#caughtUpAt = put;
    const isPressed = this.#isPressed();
    let due = this.#due(cleaner, isPressed);
    if (isPressed && this.#isBehind(cleaner)) due = Math.max(due, PASSED_IN_HASTE * fresh, HASTY_BYTES_MIN);
    this.#pass(cleaner, due);
  }

  /**
   * Whether room would be short before the victim is done: until then puts and moves write about a segment, and only
   * its end makes room again.
   */
  #isBehind(cleaner: Cleaner): boolean {
    const { segmentBytes } = this.#segments;
    return this.#roomForPuts() + cleaner.passedBytes < segmentBytes * (1 + this.#ahead) + this.#batchBytesMax;
  }

  /** Bytes that cleaning should pass by now. */
  #due(cleaner: Cleaner, isPressed: boolean): number {
    const owed = this.#log.writtenBytes - cleaner.movedBytes - cleaner.reclaimedBytes;
    if (!isPressed) this.#forgiven = owed;
    return PASSED_PER_DEBT * (owed - this.#forgiven);
  }

  #pass(cleaner: Cleaner, bytes: number): void {
    for (let due = bytes; due > 0; due -= STEP_BYTES) {
      if (!cleaner.step(Math.min(STEP_BYTES, Math.max(STEP_BYTES_MIN, due)))) return;
    }
  }

  /** Cleans what is still owed, and more if the next batch might find no room. */
  beforeBatch(cleaner: Cleaner): void {
    if (this.#fullForBatches > 0) this.#fullForBatches--;
    this.#pass(cleaner, this.#due(cleaner, this.#isPressed()));
    for (let steps = this.#stepsMax(); steps > 0 && this.#roomForPuts() < this.#batchBytesMax; steps--) {
      // A file that is not there yet is no room: the file system may be full, and in the batch it is too late to clean.
      if (this.#mayTakeSlack() && this.makeFree('put')) continue;
      if (!cleaner.step() && !this.makeFree('put')) break;
    }
    for (let files = FILES_AHEAD_PER_BATCH; files > 0 && this.#ahead > 0 && this.#spareFiles() < 1; files--) {
      if (!this.#mayTakeSlack() || !this.makeFree('put')) break;
    }
    this.#sync?.pursue(this.isShort);
  }

  /** Whether a file more is due for slack, and nobody needs it for pages. */
  #mayTakeSlack(): boolean {
    const { budget, filesKept } = this.#segments;
    return filesKept < this.#filesWanted(LOAD_SLACK) && budget?.isWanted !== true;
  }

  /** Whether there is less room than a batch may need, what comes with the next syncs aside. */
  get isShort(): boolean {
    const spare = this.#segments.freeFiles - RESERVE_SEGMENTS;
    return spare < 0 || this.#roomWith(spare) < this.#batchBytesMax;
  }

  /** Gives one surplus file back. @returns whether there was one. */
  giveBack(slack: number): boolean {
    if (this.#segments.freeFiles <= RESERVE_SEGMENTS || this.#segments.filesKept <= this.#filesWanted(slack)) {
      return false;
    }
    if (this.#sync?.mayRemove() === false) return false;
    const slot = this.#segments.takeLeaving();
    if (slot === undefined) return false;
    this.#files.remove(slot, () => this.#segments.gone(slot));
    return true;
  }

  /**
   * Gives one file up that another shard has more need of, as long as what is stored fits into the rest, however dear
   * that makes cleaning here; `cheaply`: as long as that stays cheap. Cleans for it, one step at most. The file is gone
   * when its removal is.
   */
  yieldFile(cleaner: Cleaner, cheaply: boolean): YieldOutcome {
    if (this.#filesOver(cheaply) < 1) return YieldOutcome.none;
    const isOnItsWay = this.#sync !== undefined && this.#sync.failures === 0 && this.#pursueFree(this.#sync);
    if (isOnItsWay) return YieldOutcome.waiting;
    if (this.#segments.freeFiles > RESERVE_SEGMENTS && this.#sync?.mayRemove() !== false) {
      const slot = this.#segments.takeLeaving()!;
      this.#files.remove(slot, () => this.#segments.gone(slot));
      return YieldOutcome.given;
    }
    return cleaner.step() ? YieldOutcome.working : YieldOutcome.none;
  }

  /** On a disk. @returns whether a sync has to end before a file can be given up */
  #pursueFree(sync: ArenaSync): boolean {
    sync.advance();
    if (this.#segments.freeFiles > RESERVE_SEGMENTS) return !sync.mayRemove();
    if (this.#segments.comingFiles === 0) return false;
    sync.pursue(true);
    return true;
  }

  /** Bytes of files that {@link yieldFile} would give up, one after the other. */
  yieldableBytes(cheaply: boolean): number {
    return Math.max(0, this.#filesOver(cheaply)) * this.#segments.segmentBytes;
  }

  /** Whether live bytes may grow by this much into files that are there, or that could be made by the capacity. */
  mayGrow(bytes: number): boolean {
    const { filesKept, filesMax } = this.#segments;
    const more = this.#fullForBatches > 0 ? 0 : this.#budgetFiles();
    return this.#keptBytes + bytes <= this.#liveBytesIn(Math.min(filesKept + more, filesMax));
  }

  /** Whether there are more files than live bytes and this slack need. */
  isWasteful(slack: number): boolean {
    return this.#segments.filesKept > this.#filesWanted(slack);
  }

  /**
   * The reserve and the open segment are part of what is wanted, so small arenas are not cleaned without end; and half
   * of the slack comes on top of these, or a small arena that is overwritten would find nothing to clean.
   */
  #filesWanted(slack: number): number {
    const kept = this.#keptBytes / this.#segments.segmentBytes;
    const more = RESERVE_SEGMENTS + this.#ahead + 1;
    return Math.max(Math.ceil(kept * (1 + slack)), more + Math.ceil(kept * (1 + slack / 2)));
  }

  #fits(growth: number, share: number): boolean {
    const kept = this.#keptBytes + growth;
    while (kept > share * this.#liveBytesMax()) if (!this.makeFree('put')) return false;
    return true;
  }

  /** Live bytes, as a part of what all files hold that the capacity and, as far as is known, the file system allow. */
  get fill(): number {
    const filesMax = this.#filesMax();
    const files = this.#fullForBatches > 0 ? Math.min(this.#segments.filesKept, filesMax) : filesMax;
    return this.#keptBytes / this.#liveBytesIn(files);
  }

  /** What the files that are there hold with slack to clean. */
  #liveBytesMax(): number {
    return this.#liveBytesIn(Math.min(this.#segments.filesKept, this.#filesMax()));
  }

  #liveBytesIn(files: number): number {
    // What a segment's end may waste, and what cleaning must gain at least, is not for live bytes.
    const perSegment = this.#segments.segmentBytes - 2 * STAGE_BYTES;
    return (files - this.#filesWithoutPages) * perSegment * LIVE_SHARE_MAX;
  }

  /** Files beyond those that hold what is stored. */
  #filesOver(cheaply: boolean): number {
    const perFile = (this.#liveBytesIn(1) - this.#liveBytesIn(0)) * (cheaply ? CHEAP_SHARE : 1);
    return this.#segments.filesKept - Math.ceil(this.#keptBytes / perFile) - this.#filesWithoutPages;
  }

  /** The reserve, the open segment, and what is set aside. */
  get #filesWithoutPages(): number {
    return RESERVE_SEGMENTS + 1 + this.#segments.filesAside;
  }

  get #keptBytes(): number {
    return this.#segments.liveBytes + this.#segments.tombstoneBytes;
  }

  /** Most files that there can be here now: others have their part of the capacity. */
  #filesMax(): number {
    return Math.min(this.#segments.filesMax, this.#segments.files + this.#budgetFiles());
  }

  /** Files that the shared capacity has left; below 0 where it was lowered. */
  #budgetFiles(): number {
    const { budget, segmentBytes } = this.#segments;
    return budget === undefined ? Infinity : Math.floor(budget.leftBytes / segmentBytes);
  }

  /** Steps that clean a few segments: nobody waits longer, even for room that never comes. */
  #stepsMax(): number {
    return 8 * Math.ceil(this.#segments.segmentBytes / STEP_BYTES + 1);
  }

  /** Early enough that cleaning can open a segment and leave one for puts, which then need not wait for a whole victim. */
  #isPressed(): boolean {
    return (
      this.#spareFiles() <= 2 &&
      (this.#segments.files >= Math.min(this.#filesMax(), this.#filesWanted(LOAD_SLACK)) ||
        this.#fullForBatches > 0 ||
        this.#segments.budget?.isWanted === true)
    );
  }

  /** What puts have, with what comes with the next syncs. */
  #roomForPuts(): number {
    const spare = this.#segments.freeFiles + this.#segments.comingFiles - RESERVE_SEGMENTS;
    return spare < 0 ? 0 : this.#roomWith(spare);
  }

  #roomWith(spare: number): number {
    return this.#log.roomBytes - STAGE_BYTES + spare * this.#segments.segmentBytes;
  }

  /** Free files, and those that come, beyond the reserve and those kept ahead. */
  #spareFiles(): number {
    return this.#segments.freeFiles + this.#segments.comingFiles - RESERVE_SEGMENTS - this.#ahead;
  }
}
