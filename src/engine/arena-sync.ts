/**
 * An arena on a disk: when its files are synced, who waits for that, and which segments are safe to be used again.
 *
 * One sync is under way at a time and serves all that asked before it began; who asks later waits for the next. A sync
 * vouches for the records that were written when it began: from then on the log says so (see unsynced-end.ts).
 *
 *      cleaned ── a sync that began later ends ──▶ free header written: freed ── another ──▶ free
 *
 * The first covers what came in the place of the segment's records; before, they may be all that is left of a page. The
 * second covers the free header; before, a power loss could bring the old one back, with strange bytes behind it.
 *
 * A sync that fails leaves nobody knowing what is on the disk, and the kernel reports it once: a second try would succeed
 * and prove nothing. So from then on the store takes no change and vouches for nothing until it is started again.
 */
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import { systemCode } from '../base/errors.js';
import type { SegmentSlot } from '../base/ids.js';
import type { FilesSync } from '../base/segment-files.js';
import type { LogProgress } from './log-progress.js';
import type { LogWriter } from './log-writer.js';
import { SegmentState, type SegmentTable } from './segment-table.js';

/** Segments on their way to be free before a sync is begun for them alone, while there is no hurry. */
const COMING_FOR_SYNC = 4;

interface Coming {
  readonly slot: SegmentSlot;
  /** The sync that must have ended, by its number. */
  readonly after: number;
  /** It has bytes that cannot be read: it is given back. */
  readonly isBad: boolean;
}

/** Of the log when a sync begins: what it will vouch for. */
type Reached = Pick<LogProgress, 'last' | 'marked' | 'takenBack'>;

export interface ArenaSyncOptions {
  readonly syncing: FilesSync;
  readonly log: LogWriter;
  readonly segments: SegmentTable;
  /** Whether nothing is staged, so that the files may be changed. */
  readonly isIdle: () => boolean;
  /** Whether room is short. May clean. */
  readonly isShort: () => boolean;
  /** Writes what is staged, if the files take it. */
  readonly commit: () => void;
  /** Removes the file of a segment that is leaving. */
  readonly remove: (slot: SegmentSlot) => void;
}

export class ArenaSync implements Durability {
  /** Syncs that failed: at most one, after which there are no more. */
  failures = 0;
  /** Syncs that ended well. */
  syncs = 0;

  readonly #options: ArenaSyncOptions;
  #begun = 0;
  #ended = 0;
  #isRunning = false;
  #isClosed = false;
  /** Who waits for the next sync. */
  #waiting: ((outcome: CommitOutcome) => void)[] = [];
  /** Who waits for room. */
  #held: (() => void)[] = [];
  #coming: Coming[] = [];
  /** Segments whose files cannot be read everywhere, free and not to be used. */
  #leaving: SegmentSlot[] = [];
  /** The newest record that the free header of a segment says was synced: once its file is gone, the log must say it. */
  #saidByFree = 0;
  /** What the log says of itself and a sync covers. */
  #said = 0;

  constructor(options: ArenaSyncOptions) {
    this.#options = options;
  }

  sync(done: (outcome: CommitOutcome) => void): void {
    const { log } = this.#options;
    if (this.failures > 0) return done(CommitOutcome.fault);
    if (log.progress.isSynced) return done(CommitOutcome.done);
    this.#waiting.push(done);
    if (!this.#isRunning) this.#begin();
  }

  mustWait(resume: () => void): boolean {
    const { segments, isIdle, isShort } = this.#options;
    if (this.failures > 0 || !isIdle()) return false;
    this.advance();
    if (!isShort() || segments.comingFiles === 0) return false;
    this.#held.push(resume);
    this.pursue(true);
    return true;
  }

  /** The segment is cleaned: nothing in it is needed any more but by a power loss. */
  addCleaned(slot: SegmentSlot, isBad: boolean): void {
    this.#options.segments.clean(slot);
    this.#coming.push({ slot, after: this.#begun + 1, isBad });
  }

  /** A file was made. Its header can be written at once: there is nothing in it that might be needed. */
  addFile(slot: SegmentSlot): void {
    this.#options.segments.addCleaned(slot);
    this.#coming.push(this.#free({ slot, after: 0, isBad: false }));
  }

  /** Begins a sync for segments on their way to be free, if it is worth one. */
  pursue(isUrgent: boolean): void {
    const enough = isUrgent ? 1 : COMING_FOR_SYNC;
    if (!this.#isRunning && this.failures === 0 && this.#coming.length >= enough) this.#begin();
  }

  /** Takes segments further as far as syncs have ended. Nothing may be staged. */
  advance(): void {
    const { segments, remove } = this.#options;
    if (this.#leaving.length > 0 && this.mayRemove()) for (const slot of this.#leaving.splice(0)) remove(slot);
    if (this.#coming.length === 0) return;
    const still: Coming[] = [];
    let isAnyFree = false;
    for (const coming of this.#coming) {
      if (coming.after > this.#ended) still.push(coming);
      else if (segments.stateOf(coming.slot) === SegmentState.cleaned) still.push(this.#free(coming));
      else {
        segments.settle(coming.slot);
        isAnyFree = true;
        // What is taken is what became free last.
        if (coming.isBad) this.#leaving.push(segments.takeLeaving()!);
      }
    }
    this.#coming = still;
    if (isAnyFree) segments.buryOldTombstones();
  }

  /** As a sync and {@link advance}, while the caller waits. @throws a system error: as if a sync had failed */
  syncNow(): void {
    const { syncing, log } = this.#options;
    const number = ++this.#begun;
    const reached = reachedOf(log.progress);
    try {
      syncing.now();
    } catch (error) {
      this.#fail();
      throw error;
    }
    this.#succeed(number, reached);
    this.advance();
  }

  /**
   * Whether the file of a free segment may be removed. Its header may be all that says up to where the log was synced;
   * then this has the log say it, for a later call to find. Nothing may be staged.
   */
  mayRemove(): boolean {
    const { log, commit } = this.#options;
    if (this.#said >= this.#saidByFree) return true;
    if (log.progress.marked < this.#saidByFree) {
      log.mark();
      commit();
    }
    if (log.progress.marked >= this.#saidByFree && !this.#isRunning && this.failures === 0) this.#begin();
    return false;
  }

  /** Nobody is called back any more. */
  close(): void {
    this.#isClosed = true;
  }

  #begin(): void {
    const { syncing, log } = this.#options;
    this.#isRunning = true;
    const number = ++this.#begun;
    const served = this.#waiting;
    this.#waiting = [];
    const reached = reachedOf(log.progress);
    syncing.begin((error) => {
      this.#isRunning = false;
      if (this.#isClosed) return;
      if (error === undefined) this.#succeed(number, reached);
      else this.#fail();
      this.#tell(served);
    });
  }

  #succeed(number: number, { last, marked, takenBack }: Reached): void {
    this.syncs++;
    this.#ended = Math.max(this.#ended, number);
    this.#said = Math.max(this.#said, marked);
    this.#options.log.progress.confirm(last, takenBack);
  }

  #fail(): void {
    this.failures++;
    this.#options.log.refuseWrites();
  }

  #tell(served: readonly ((outcome: CommitOutcome) => void)[]): void {
    const hasFailed = this.failures > 0;
    for (const done of served) done(hasFailed ? CommitOutcome.fault : CommitOutcome.done);
    if (hasFailed) for (const done of this.#waiting.splice(0)) done(CommitOutcome.fault);
    else if (this.#options.isIdle()) this.advance();
    for (const resume of this.#held.splice(0)) resume();
    if (this.#waiting.length > 0 && !this.#isRunning) this.#begin();
  }

  /** Its header is written over, if the files take it; else it is tried again. */
  #free(coming: Coming): Coming {
    const { log, segments } = this.#options;
    try {
      log.writeFreeHeader(coming.slot);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return coming;
    }
    segments.free(coming.slot);
    this.#saidByFree = Math.max(this.#saidByFree, log.progress.synced);
    return { ...coming, after: this.#begun + 1 };
  }
}

/** As it is now. */
function reachedOf({ last, marked, takenBack }: LogProgress): Reached {
  return { last, marked, takenBack };
}
