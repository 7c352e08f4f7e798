/** The Xen way: pages are kept by the host's store, in a pool of transcendent memory. One object, number 0, holds them all. */
import type { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import type { Elsewhere } from '../base/elsewhere.js';
import { type Address, type PageIndex, pageIndex } from '../base/ids.js';
import type { RoomWait } from '../base/room-wait.js';
import { TmemStatus } from '../tmem/status.js';
import type { Tmem } from '../tmem/tmem.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { LayerRead, LayerWrite, type PageLayer } from './layer.js';

const OBJECT = 0n;

export class HostedLayer implements PageLayer {
  readonly pool: TmemPool;
  readonly room: RoomWait | undefined;
  readonly #tmem: Tmem;
  readonly #elsewhere: Elsewhere;

  /** @param room - where others may make room for this store */
  constructor(tmem: Tmem, pool: TmemPool, room?: RoomWait) {
    this.#tmem = tmem;
    this.pool = pool;
    this.room = room;
    this.#elsewhere = {
      isAway: (page) => pool.isAway(OBJECT, pageIndex(page)),
      fetch: (page, arrived) => pool.fetch(OBJECT, pageIndex(page), arrived),
      waitForRoom: (resume) => tmem.waitForRoom(resume),
    };
  }

  get durability(): Durability | undefined {
    return this.#tmem.durability;
  }

  get elsewhere(): Elsewhere | undefined {
    return this.pool.spill && this.#elsewhere;
  }

  replace(index: PageIndex, from: Address): LayerWrite {
    const status = this.pool.replace(OBJECT, index, from);
    if (status === TmemStatus.done) return LayerWrite.kept;
    if (status === TmemStatus.later) return LayerWrite.later;
    return status === TmemStatus.frozen ? LayerWrite.frozen : LayerWrite.full;
  }

  read(index: PageIndex, to: Address): LayerRead {
    const status = this.pool.get(OBJECT, index, to);
    if (status === TmemStatus.done) return LayerRead.page;
    if (status === TmemStatus.elsewhere) return LayerRead.away;
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
    this.pool.owner.settleCredit();
    this.#tmem.catchUp();
  }
}
