/** Who takes part in the drill: a daemon, a guest that swaps on it, QEMU's monitor, and the operator's command. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Guest } from '../../src/rig/guest.js';
import { numberIn } from '../../src/rig/report-line.js';
import { TmemProcess } from '../../src/rig/tmem-process.js';
import { FaultyDisk } from '../support/faulty-disk.js';
import { QmpClient } from '../support/qmp-client.js';
import { main } from '../support/real-daemon.js';
import { GUEST_LIMIT_SECONDS, swapGuest, until } from '../support/swap-guest.js';
import { type Ended, tmem } from '../support/tmem-process.js';

/** Room for all that the guest swaps out, twice. */
const CAPACITY = '128MiB';

/** Of the other guest: more than the arena has room for. */
const OTHER_SIZE = '256MiB';

const CONFIG = `[guest.other.swap.disk]\nsize = "${OTHER_SIZE}"\n[guest.vm.swap.swap0]\nsize = "1GiB"\n`;

/** Pages that the guest must have had swapped in, after it was helped, to be going on. */
const READS_TO_GO_ON = 3000;

/** Between two attempts to have a paused guest run: QEMU tells of an error a moment after `cont`. */
const CONT_MS = 300;

/** Of a daemon, by itself. */
export interface Death {
  /** Its exit status or signal, and the end of its log. */
  readonly how: string;
  readonly atMs: number;
}

export class Drill {
  readonly daemon: TmemProcess;
  /** When the FIFO is there, one shard hangs. */
  readonly stuckAt: string;
  readonly otherSocket: string;
  /** Under the guest's spill file, once it has one. */
  readonly disk: FaultyDisk = new FaultyDisk();
  /** Of daemons that nobody killed. */
  readonly deaths: Death[] = [];
  readonly #folder: string = mkdtempSync(path.join(tmpdir(), 'tmem-drill-'));
  #guest: Guest | undefined;
  #qmp: QmpClient | undefined;

  constructor() {
    this.stuckAt = path.join(this.#folder, 'stuck');
    const preload = fileURLToPath(new URL('../support/stuck-shard.js', import.meta.url));
    this.daemon = new TmemProcess({
      name: 'drill',
      capacity: CAPACITY,
      config: CONFIG,
      environment: {
        NODE_OPTIONS: `--import ${preload}`,
        TMEM_TEST_STUCK: this.stuckAt,
        ...this.disk.environment,
      },
      limitSeconds: GUEST_LIMIT_SECONDS,
      onDeath: (how) => this.deaths.push({ how, atMs: performance.now() }),
    });
    this.otherSocket = path.join(this.daemon.runDir, 'other-disk.nbd');
  }

  get guest(): Guest {
    assert.ok(this.#guest !== undefined);
    return this.#guest;
  }

  get qmp(): QmpClient {
    assert.ok(this.#qmp !== undefined);
    return this.#qmp;
  }

  /** From the next start on the guest has a spill file. */
  addSpillFile(): void {
    this.daemon.config = `${CONFIG}spill = "${this.disk.file('vm')}"\n`;
  }

  async begin(t: TestContext): Promise<void> {
    t.after(() => this.#end());
    await this.daemon.start();
    const socket = path.join(this.daemon.runDir, 'vm-swap0.nbd');
    this.#guest = swapGuest({ socket, exportName: 'vm/swap0' });
    await this.#guest.waitFor('HOG', '');
    this.#qmp = await QmpClient.connect(this.#guest.qmp);
    await this.goesOn();
  }

  /** A command of the operator. */
  ask(...args: string[]): Promise<Ended> {
    return tmem([...args, '--run-dir', this.daemon.runDir], { main });
  }

  /** The same, which must succeed. */
  async do(...args: string[]): Promise<void> {
    const { code, stderr } = await this.ask(...args);
    assert.equal(code, 0, stderr);
  }

  /** QEMU has stopped the guest because of an error of its disk. */
  async isPaused(): Promise<void> {
    await until(this.guest, async () => (await this.qmp.status()) === 'io-error');
  }

  /** As an operator does it: `cont`, until it holds. */
  async resume(): Promise<void> {
    do {
      await this.qmp.execute('cont');
      await sleep(CONT_MS);
    } while ((await this.qmp.status()) !== 'running');
  }

  /** The guest swaps in, and what it has looked at so far is right. */
  async goesOn(): Promise<void> {
    const { reports } = this.guest;
    const so = reports.findLast(({ tag, word }) => tag === 'HOG' && word === '');
    const reads = so === undefined ? 0 : numberIn(so, 'reads');
    const then = await this.guest.waitFor('HOG', '', (report) => numberIn(report, 'reads') >= reads + READS_TO_GO_ON);
    assert.equal(numberIn(then, 'bad'), 0, this.guest.lastLines());
    assert.equal(await this.qmp.status(), 'running');
  }

  /**
   * Has something go wrong and be put right, until the guest goes on.
   *
   * @returns the longest pause of the guest in seconds: by its own clock, which stands still while QEMU has stopped it,
   *   and how long that was
   */
  async through(trouble: (drill: Drill) => Promise<void>): Promise<{ pause_s: number; stopped_s: number }> {
    const [reports, events] = [this.guest.reports.length, this.qmp.events.length];
    await trouble(this);
    await this.goesOn();
    const pauses = this.guest.reports.slice(reports).map((report) => numberIn(report, 'pause'));
    let stopped = 0;
    for (const { event, second } of this.qmp.events.slice(events)) {
      if (event === 'STOP') stopped -= second;
      if (event === 'RESUME') stopped += second;
    }
    return {
      pause_s: Math.max(...pauses.filter((pause) => !Number.isNaN(pause))),
      stopped_s: Math.round(stopped * 100) / 100,
    };
  }

  async #end(): Promise<void> {
    this.#qmp?.close();
    await this.#guest?.close();
    await this.daemon.close();
    this.disk.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
