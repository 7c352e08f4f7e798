/**
 * What the administrator's word takes away for good: pages of a pool, pools, guests. However many pages those are, other
 * guests go on being served: they are flushed in steps, each a batch of its own, with a round of the event loop between
 * two. Should the daemon die half-way, the rest is still there and the command can be given again.
 */
import { CommitOutcome } from '../base/commit-outcome.js';
import { TmemError } from '../base/errors.js';
import { pageIndex } from '../base/ids.js';
import type { Forgotten } from '../base/shard-port.js';
import { decodeObjectId } from '../tmem/names.js';
import { TmemStatus } from '../tmem/status.js';
import type { Tmem } from '../tmem/tmem.js';
import type { TmemClient } from '../tmem/tmem-client.js';
import type { TmemPool } from '../tmem/tmem-pool.js';

/** Indexes of a step: a millisecond where each of them has a page. */
const STEP_PAGES = 4096;

/** Behind the last page of every object. */
const INDEX_END: number = 2 ** 32;

export class Forgetting {
  readonly #tmem: Tmem;
  readonly #isStopped: () => boolean;

  /** @param isStopped - whether the files may be closed by now; asked after each wait */
  constructor(tmem: Tmem, isStopped: () => boolean) {
    this.#tmem = tmem;
    this.#isStopped = isStopped;
  }

  /**
   * All pages that are there when their turn comes; what is put behind that stays.
   * @throws TmemError E_ARENA_FULL, E_INTERNAL where the arena does not take it
   */
  async flushPool(pool: TmemPool): Promise<Forgotten> {
    let pages = 0;
    for (const id of Array.from(pool.stored.objects, ({ name }) => decodeObjectId(name))) {
      const next = (from: number): number =>
        from < INDEX_END && !pool.has(id, pageIndex(from)) ? pool.endOfRun(id, from, INDEX_END) : from;
      for (let at = next(0); at < INDEX_END; at = next(at + STEP_PAGES)) {
        pages += this.#flushStep(pool, () => pool.flushRange(id, pageIndex(at), Math.min(STEP_PAGES, INDEX_END - at)));
        await this.#othersFirst();
      }
    }
    return { pools: 0, pages };
  }

  /** Nothing may use the pool any more. */
  async destroyPool(client: TmemClient, pool: TmemPool): Promise<Forgotten> {
    const { pages } = await this.flushPool(pool);
    if (this.#tmem.destroyPool(client, pool.id) !== TmemStatus.done) throw refused(CommitOutcome.full);
    return { pools: 1, pages };
  }

  /** R9. Nothing may use its pools any more. */
  async removeClient(client: TmemClient): Promise<Forgotten> {
    let [pools, pages] = [0, 0];
    for (const pool of client.pools) {
      if (pool === undefined) continue;
      const forgotten = await this.destroyPool(client, pool);
      pools += forgotten.pools;
      pages += forgotten.pages;
    }
    if (this.#tmem.removeClient(client) !== TmemStatus.done) throw refused(CommitOutcome.full);
    return { pools, pages };
  }

  #flushStep(pool: TmemPool, flush: () => void): number {
    const before = pool.pages;
    flush();
    const outcome = this.#tmem.commit();
    if (outcome !== CommitOutcome.done) throw refused(outcome);
    this.#tmem.catchUp();
    return before - pool.pages;
  }

  async #othersFirst(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#isStopped()) throw new TmemError('E_INTERNAL', 'the daemon is stopping: give the command again');
  }
}

function refused(outcome: CommitOutcome): TmemError {
  return outcome === CommitOutcome.full
    ? new TmemError('E_ARENA_FULL', "the arena's file system has no room for a flush: make room and try again")
    : new TmemError('E_INTERNAL', "the arena's files did not take a flush: look after its file system");
}
