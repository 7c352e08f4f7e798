import { TmemProcess, type TmemProcessOptions, type TmemStatus } from '../tmem-process.js';
import { TmemError } from '../../base/errors.js';
import type { StoreFigures } from './figures.js';

/** The demo's daemon over all its lives, as its status tells of it. */
export class DemoStore {
  readonly daemon: TmemProcess;
  alive = false;
  peakPages = 0;
  peakBytes = 0;
  #figures: StoreFigures | undefined;
  #latest: { readonly status: TmemStatus; readonly atMs: number } | undefined;

  constructor(options: TmemProcessOptions) {
    this.daemon = new TmemProcess(options);
  }

  /** What the latest look has seen. */
  get figures(): StoreFigures | undefined {
    return this.#figures && { ...this.#figures, alive: this.alive };
  }

  /** READ requests that the running daemon has answered on an export, as of the latest look. */
  readsOf(exportName: string): number {
    return this.#latest?.status.exports.find(({ name }) => name === exportName)?.reads ?? 0;
  }

  /** What the guest has stored in memory, in bytes, as of the latest look. */
  storedBytesOf(guest: string): number {
    const theirs = this.#latest?.status.exports.filter(({ name }) => name.startsWith(`${guest}/`)) ?? [];
    return theirs.reduce((sum, { stored_bytes: bytes }) => sum + bytes, 0);
  }

  /** Of all guests. */
  get storedBytes(): number {
    return this.#figures?.storedBytes ?? 0;
  }

  /** Host memory that the arena takes. */
  get arenaBytes(): number {
    return this.#figures?.arenaBytes ?? 0;
  }

  /** Pages in spill files, as of the latest look. */
  get spilledPages(): number {
    return this.#figures?.spilledPages ?? 0;
  }

  /** Starts the daemon. Its counters begin at zero with each of its lives. */
  async start(): ReturnType<TmemProcess['start']> {
    const ready = await this.daemon.start();
    this.#latest = undefined;
    this.alive = true;
    return ready;
  }

  /** See {@link TmemProcess.freeze}. */
  freeze(): void {
    this.alive = false;
    this.daemon.freeze();
  }

  thaw(): void {
    this.daemon.thaw();
    this.alive = true;
  }

  async kill9(): Promise<void> {
    this.alive = false;
    await this.daemon.kill9();
  }

  /**
   * Asks for the status; what a daemon does not answer that is killed meanwhile is no error.
   *
   * @param nowMs - of a clock that does not jump
   * @throws {TmemError} E_INTERNAL when the daemon has refused a request: QEMU has then paused its guest for ever
   */
  async look(nowMs: number): Promise<void> {
    if (!this.alive) return;
    const asked = this.daemon.pid;
    const status = await this.daemon.status().catch(() => undefined);
    // A look that began in one life says nothing of the next.
    if (status === undefined || asked !== this.daemon.pid) return;
    for (const { name, errors } of status.exports)
      if (errors > 0)
        throw new TmemError('E_INTERNAL', `the daemon has answered ${errors} requests of ${name} with an error`);
    const before = this.#latest;
    this.#latest = { status, atMs: nowMs };
    const all = total(status);
    const seconds = before === undefined ? 0 : (nowMs - before.atMs) / 1000;
    const rate = (field: 'reads' | 'writes'): number =>
      before === undefined || seconds === 0 ? 0 : (all[field] - total(before.status)[field]) / seconds;
    this.peakPages = Math.max(this.peakPages, all.stored_pages);
    this.peakBytes = Math.max(this.peakBytes, all.stored_bytes);
    this.#figures = {
      alive: true,
      storedPages: all.stored_pages,
      storedBytes: all.stored_bytes,
      spilledPages: spilledPages(status),
      arenaBytes: status.arena.occupied_bytes,
      daemonBytes: status.rss_bytes,
      readsPerSecond: rate('reads'),
      writesPerSecond: rate('writes'),
    };
  }
}

type Counted = 'stored_pages' | 'stored_bytes' | 'reads' | 'writes';

function total({ exports }: TmemStatus): Record<Counted, number> {
  const sum = (field: Counted): number => exports.reduce((all, one) => all + one[field], 0);
  return {
    stored_pages: sum('stored_pages'),
    stored_bytes: sum('stored_bytes'),
    reads: sum('reads'),
    writes: sum('writes'),
  };
}

function spilledPages({ exports }: TmemStatus): number | null {
  const known = exports.flatMap(({ spilled_pages: pages }) => (pages === null ? [] : [pages]));
  return known.length === 0 ? null : known.reduce((sum, pages) => sum + pages, 0);
}
