/** The Xen way: pages are kept by the host's store, in a pool of transcendent memory. One object, number 0, holds them all. */
import type { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Address, PageIndex } from '../base/ids.js';
import { TmemStatus } from '../tmem/status.js';
import type { Tmem } from '../tmem/tmem.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { LayerRead, type PageLayer } from './layer.js';

const OBJECT = 0n;

export class HostedLayer implements PageLayer {
  readonly pool: TmemPool;
  readonly #tmem: Tmem;

  constructor(tmem: Tmem, pool: TmemPool) {
    this.#tmem = tmem;
    this.pool = pool;
  }

  get durability(): Durability | undefined {
    return this.#tmem.durability;
  }

  replace(index: PageIndex, from: Address): boolean {
    return this.pool.replace(OBJECT, index, from) === TmemStatus.done;
  }

  read(index: PageIndex, to: Address): LayerRead {
    const status = this.pool.get(OBJECT, index, to);
    if (status === TmemStatus.done) return LayerRead.page;
    return status === TmemStatus.missing ? LayerRead.nothing : LayerRead.damaged;
  }

  has(index: PageIndex): boolean {
    return this.pool.has(OBJECT, index);
  }

  flush(first: PageIndex, count: number): void {
    this.pool.flushRange(OBJECT, first, count);
  }

  endOfRun(first: number, end: number): number {
    return this.pool.endOfRun(OBJECT, first, end);
  }

  commit(): CommitOutcome {
    return this.#tmem.commit();
  }

  catchUp(): void {
    this.#tmem.catchUp();
  }
}
