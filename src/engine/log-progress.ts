/**
 * How far the log has come, in sequence numbers of records, and on a disk how far it is synced: what a position says,
 * which tells recovery where the log ends (see unsynced-end.ts). On tmpfs nothing is ever confirmed.
 */
import type { RecordHeader } from './kernel.js';
import { RecordKind } from './record.js';

interface Reached {
  /** The newest record. */
  last: number;
  /** The newest that the log itself says was synced. */
  marked: number;
}

export class LogProgress {
  /** Records up to this one outlive a power loss; 0: nothing is known. */
  synced = 0;
  /** Batches that were written, at least in part, and taken back. */
  takenBack = 0;
  /** With what is staged, and without. */
  readonly #staged: Reached = { last: 0, marked: 0 };
  readonly #committed: Reached = { last: 0, marked: 0 };
  /** So many a sync covers. */
  #takenBackSynced = 0;

  /** Whether a power loss changes nothing: what is written stays, and what was taken back does not come again. */
  get isSynced(): boolean {
    return this.last <= this.synced && this.takenBack <= this.#takenBackSynced;
  }

  /** The newest record that is written. */
  get last(): number {
    return this.#committed.last;
  }

  /** Of {@link synced}, what the log itself says, in a record that is written. */
  get marked(): number {
    return this.#committed.marked;
  }

  /** Whether a position would say more than what the log says already, what is staged included. */
  get hasNews(): boolean {
    return this.synced > this.#staged.marked;
  }

  /** The record is staged behind all others. */
  stage(sequence: number): void {
    this.#staged.last = sequence;
  }

  /** A position, to be staged next. */
  position(sequence: number): RecordHeader {
    const { last } = this.#staged;
    this.#staged.marked = this.synced;
    return {
      kind: RecordKind.position,
      payloadBytes: 0,
      object: last >>> 0,
      index: Math.floor(last / 2 ** 32),
      sequence,
      hashLow: this.synced >>> 0,
      hashHigh: Math.floor(this.synced / 2 ** 32),
    };
  }

  /** What was staged is written. */
  commit(): void {
    copy(this.#staged, this.#committed);
  }

  /** What was staged is gone. */
  undo(): void {
    copy(this.#committed, this.#staged);
  }

  /** A sync covers the records up to this one, and so many batches that were taken back. */
  confirm(last: number, takenBack: number = 0): void {
    this.synced = Math.max(this.synced, last);
    this.#takenBackSynced = Math.max(this.#takenBackSynced, takenBack);
  }

  /** The log that recovery found ends with this record, all of it synced. */
  beginBehind(last: number): void {
    // Never 0: headers by which nothing is known to be synced are those of a tmpfs.
    this.stage(Math.max(1, last));
    this.commit();
    this.confirm(this.last);
  }
}

/** Field by field: `Object.assign` takes ten times as long, and this is once a batch. */
function copy(from: Readonly<Reached>, to: Reached): void {
  to.last = from.last;
  to.marked = from.marked;
}
