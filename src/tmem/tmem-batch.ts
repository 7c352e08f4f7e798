/**
 * The verbs of a batch, from being staged to its outcome: what has to be done, in every pool that they changed, when the
 * engine has written them or has not.
 *
 * Unless the batch is done, no put of it happened, each counts as refused, and what `put` was to overwrite is flushed
 * (R15), while `replace` has left everything as it was. Flushes of ephemeral pages hold either way.
 */
import { CommitOutcome } from '../base/commit-outcome.js';
import type { PageIndex } from '../base/ids.js';
import type { Engine } from '../engine/engine.js';
import type { StoredObject } from '../engine/stored-object.js';
import type { ObjectId } from './names.js';

/** What the batch asks of a pool that it changed. */
export interface ChangedPool {
  /** What becomes of the puts that it staged. */
  endPuts(outcome: CommitOutcome): void;
  /** A put of this page was committed, or came to nothing: if the page is stored now, it was put. */
  welcome(id: ObjectId, index: PageIndex): void;
  /** A put of this page came to nothing: what it was to overwrite must not be read again. */
  flushOld(id: ObjectId, index: PageIndex): void;
  /** The object may have lost its last page. */
  forgetIfEmpty(id: ObjectId): void;
  /** The flush of the object came to nothing: it is there as before. @returns what was in its place */
  restore(id: ObjectId, object: StoredObject): StoredObject | undefined;
}

interface StagedPut {
  readonly pool: ChangedPool;
  readonly id: ObjectId;
  readonly index: PageIndex;
  /** If it comes to nothing the old page stays. */
  readonly keepsOld: boolean;
}

export class TmemBatch {
  readonly #engine: Engine;
  readonly #pools: ChangedPool[] = [];
  readonly #touched: { pool: ChangedPool; id: ObjectId }[] = [];
  readonly #retired: { pool: ChangedPool; id: ObjectId; object: StoredObject }[] = [];
  readonly #puts: StagedPut[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The pool has staged its first put of this batch. */
  hasPutsOf(pool: ChangedPool): void {
    this.#pools.push(pool);
  }

  touched(pool: ChangedPool, id: ObjectId): void {
    const last = this.#touched.at(-1);
    if (last === undefined || last.pool !== pool || last.id !== id) this.#touched.push({ pool, id });
  }

  retired(pool: ChangedPool, id: ObjectId, object: StoredObject): void {
    this.#retired.push({ pool, id, object });
  }

  /** The page's put must be followed up, whether it was staged or refused. */
  put(pool: ChangedPool, id: ObjectId, index: PageIndex, keepsOld: boolean): void {
    this.#puts.push({ pool, id, index, keepsOld });
  }

  /** @throws when the arena takes no writes at all */
  commit(): CommitOutcome {
    const outcome = this.#engine.commit();
    const isDone = outcome === CommitOutcome.done;
    for (let pool = this.#pools.pop(); pool !== undefined; pool = this.#pools.pop()) pool.endPuts(outcome);
    if (isDone) for (const { object } of this.#retired) this.#engine.forgetObject(object);
    else this.#undo();
    // Of a batch that failed too: a replace may have been committed early and is stored.
    for (const { pool, id, index } of this.#puts) pool.welcome(id, index);
    for (const { pool, id } of this.#touched) pool.forgetIfEmpty(id);
    // Most are empty, and to set the length of an array is a call out of compiled code.
    if (this.#touched.length > 0) this.#touched.length = 0;
    if (this.#retired.length > 0) this.#retired.length = 0;
    if (this.#puts.length > 0) this.#puts.length = 0;

    return outcome;
  }

  /** The batch failed, but for what of it was committed early. What it has to leave flushed is a batch of its own. */
  #undo(): void {
    const gone = this.#restoreRetired();
    for (const object of gone) this.#engine.flushObject(object);
    for (const { pool, id, index, keepsOld } of this.#puts) if (!keepsOld) pool.flushOld(id, index);
    if (this.#engine.commit() !== CommitOutcome.done)
      throw new Error('the arena takes no writes: a refused put leaves old data behind');
    for (const object of gone) this.#engine.forgetObject(object);
  }

  /**
   * The last one first, so that of several objects that had one id the oldest stays. One whose flush was committed
   * early is gone: its number is spent.
   *
   * @returns objects that were in the place of others
   */
  #restoreRetired(): StoredObject[] {
    const gone: StoredObject[] = [];
    for (const { pool, id, object } of this.#retired.toReversed()) {
      const inPlace = object.isSpent ? object : pool.restore(id, object);
      if (inPlace === undefined) continue;
      if (inPlace.pages > 0) gone.push(inPlace);
      else this.#engine.forgetObject(inPlace);
    }
    return gone;
  }
}
