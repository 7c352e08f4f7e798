/**
 * What the pools that are compared must be charged, and what all of it must take: from the model's pages, and from what each
 * takes where it is alone.
 */
import assert from 'node:assert/strict';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import { pageIndex } from '../../src/base/ids.js';
import type { ModelPool } from '../../src/tmem/reference/model.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import { poolIn, type PoolKind, POOLS, textureOf } from './compared-pools.js';
import { openSmallStore, type SmallStore, writeVersion } from './small-store.js';

/** A mark in the log, be it of a page that is spilled or of one that is shared. */
const MARK_RECORD_BYTES = 48;

export class ComparedCharges {
  /** Pages that took no memory of their own, over all comparisons. */
  sharedPages = 0;
  readonly #lone: SmallStore = openSmallStore();

  /** Everything is committed. @param pools - as they stand, with their models, in the order of {@link POOLS} */
  compare(pools: readonly TmemPool[], models: readonly ModelPool[], liveBytes: number): void {
    let live = 0;
    /** Of each domain its contents. */
    const contents = new Map<string, Set<number>>();
    for (const [which, kind] of POOLS.entries()) {
      const pool = pools[which]!;
      const known = kind.domain === undefined ? undefined : (contents.get(kind.domain) ?? new Set());
      if (kind.domain !== undefined) contents.set(kind.domain, known!);
      let charged = 0;
      for (const [object, index, version] of models[which]!.all) {
        const alone = this.#bytesOf(version);
        if (pool.isAway(object, pageIndex(index))) {
          charged += MARK_RECORD_BYTES;
          live += MARK_RECORD_BYTES;
        } else if (known === undefined || textureOf(version) === 'filled') {
          charged += alone;
          live += alone;
        } else {
          charged += alone + MARK_RECORD_BYTES;
          live += MARK_RECORD_BYTES + (known.has(version) ? 0 : alone);
          if (known.has(version)) this.sharedPages++;
          known.add(version);
        }
      }
      assert.equal(pool.stored.storedBytes, charged, `${nameOf(kind)} is charged for its pages`);
    }
    assert.equal(liveBytes, live, 'equal pages of a domain are stored once, and nothing else');
  }

  /** Of the record of this version's page. */
  #bytesOf(version: number): number {
    const { kernel, source, tmem } = this.#lone;
    const pool = poolIn(tmem, LONE);
    writeVersion(kernel, source, version, textureOf(version));
    pool.put(0n, pageIndex(0), source);
    assert.equal(tmem.commit(), CommitOutcome.done);
    this.#lone.engine.catchUp();
    return pool.stored.storedBytes;
  }
}

/** A pool of one page, which shares with nobody. */
const LONE: PoolKind = { ...POOLS[0]!, spills: false, domain: undefined };

function nameOf({ clients, name }: PoolKind): string {
  return `${clients[0]!}/${name}`;
}
