/**
 * Two guests that swap far more than the store has room for, so that most of it goes to their spill files and comes back,
 * all the time; and a disk under these files on which everything happens that happens to disks.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guest } from '../../src/rig/guest.js';
import { numberIn } from '../../src/rig/report-line.js';
import { type ExportStatus, TmemProcess } from '../../src/rig/tmem-process.js';
import { FaultyDisk } from '../support/faulty-disk.js';
import { QmpClient } from '../support/qmp-client.js';
import { figuresOf, GUEST_LIMIT_SECONDS, guestNeeds, swapGuest, verdict } from '../support/swap-guest.js';

const CAPACITY = '64MiB';

/** With two each guest has one of its own, and they share the capacity. */
const WORKERS = Number(process.env['TMEM_WORKERS'] ?? 1);

const NAMES = ['vm1', 'vm2'] as const;

/** Of each file at first: with the store far less than the guests swap out. */
const ROOM_PAGES = 2048;

/** Of a call: a hard disk's. */
const SLOW_MS = 8;

/** Pages that each guest has swapped in before the next trouble, and while the disk is slow. */
const READS_BETWEEN = 2000;
const READS_WHEN_SLOW = 600;

const KILLS = 2;
const DOWN_MS = 1000;

/** Between two attempts to have a paused guest run. */
const CONT_MS = 300;

test(
  'two guests of 160 MiB over a store of 64 MiB find every byte right, whatever their spill disk does',
  { skip: guestNeeds() },
  async (t) => {
    const rig = await Rig.begin(t);
    // They fill their memory, until there is no room in the store and none on the disk.
    await rig.until(async () => (await rig.paused()).length > 0);
    const { refused } = rig.disk.calls;
    const spilled = await rig.spilled();
    assert.ok(
      refused > 0 && spilled.every((pages) => pages > ROOM_PAGES / 2),
      `${refused} refused, ${spilled.join(' and ')} spilled`,
    );
    rig.say({ spill: 'full', refused, paused: await rig.paused(), spilled });
    rig.disk.be({});
    await rig.resume();
    await rig.goOn(READS_BETWEEN);

    rig.disk.be({ delayMs: SLOW_MS });
    const before = rig.disk.calls;
    await rig.goOn(READS_WHEN_SLOW);
    const after = rig.disk.calls;
    assert.ok(after.reads > before.reads && after.writes > before.writes, 'pages go both ways');
    rig.say({ spill: 'slow', reads: after.reads - before.reads, writes: after.writes - before.writes });

    rig.disk.be({ fails: true });
    // Each of them needs what is on the disk.
    await rig.until(async () => (await rig.paused()).length === NAMES.length);
    rig.say({ spill: 'failing', refused: rig.disk.calls.refused - refused });
    rig.disk.be({});
    await rig.resume();
    await rig.goOn(READS_BETWEEN);

    for (let kill = 1; kill <= KILLS; kill++) {
      rig.say({ spill: 'killed', under_way: await rig.killWhilePagesMove(), spilled: await rig.spilled() });
      await rig.goOn(READS_BETWEEN);
    }
    await rig.end();
  },
);

class Rig {
  readonly disk: FaultyDisk = new FaultyDisk();
  readonly daemon: TmemProcess;
  #guests: Guest[] = [];
  #monitors: QmpClient[] = [];

  private constructor() {
    const config = NAMES.map((name) => `[guest.${name}.swap.s0]\nsize = "512MiB"\nspill = "${this.disk.file(name)}"\n`);
    this.daemon = new TmemProcess({
      name: 'spill',
      capacity: CAPACITY,
      config: `workers = ${WORKERS}\n${config.join('')}`,
      environment: this.disk.environment,
      limitSeconds: GUEST_LIMIT_SECONDS,
    });
  }

  static async begin(t: TestContext): Promise<Rig> {
    const rig = new Rig();
    t.after(() => rig.#close());
    rig.disk.be({ roomPages: ROOM_PAGES });
    await rig.daemon.start();
    rig.#guests = NAMES.map((name, at) => {
      const disk = { socket: path.join(rig.daemon.runDir, `${name}-s0.nbd`), exportName: `${name}/s0` };
      return swapGuest(disk, { seed: at + 1 });
    });
    await Promise.all(rig.#guests.map((guest) => guest.waitFor('GUEST', 'swap')));
    rig.#monitors = await Promise.all(rig.#guests.map(({ qmp }) => QmpClient.connect(qmp)));
    return rig;
  }

  /** Polls, until a guest ends. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      for (const guest of this.#guests) assert.ok(!guest.ended, `a guest ended early:\n${guest.lastLines()}`);
      await sleep(CONT_MS);
    }
  }

  /** Those that QEMU has stopped because of an error of their disk. */
  async paused(): Promise<string[]> {
    const states = await Promise.all(this.#monitors.map((monitor) => monitor.status()));
    return NAMES.filter((_, at) => states[at] === 'io-error');
  }

  /** As an operator does it: `cont`, until it holds for all. */
  async resume(): Promise<void> {
    do {
      await Promise.all(this.#monitors.map((monitor) => monitor.execute('cont')));
      await sleep(CONT_MS);
    } while ((await this.paused()).length > 0);
  }

  /** Each guest swaps in so many pages more, and what it has looked at is right. */
  async goOn(pages: number): Promise<void> {
    await Promise.all(
      this.#guests.map(async (guest) => {
        const { reports } = guest;
        const now = reports.findLast(({ tag, word }) => tag === 'HOG' && word === '');
        const reads = now === undefined ? 0 : numberIn(now, 'reads');
        const then = await guest.waitFor('HOG', '', (report) => numberIn(report, 'reads') >= reads + pages);
        assert.equal(numberIn(then, 'bad'), 0, guest.lastLines());
      }),
    );
    assert.deepEqual(await this.paused(), []);
  }

  async spilled(): Promise<number[]> {
    return (await this.#exports()).map(({ spilled_pages: pages }) => pages ?? 0);
  }

  /** `kill -9` at a moment when the disk is at work. @returns its calls that have not ended */
  async killWhilePagesMove(): Promise<number> {
    // So that there is such a moment.
    this.disk.be({ delayMs: SLOW_MS });
    for (;;) {
      this.daemon.freeze();
      if (this.disk.calls.underWay > 0) break;
      this.daemon.thaw();
      await sleep(1);
    }
    const { underWay } = this.disk.calls;
    await this.daemon.kill9();
    await sleep(DOWN_MS);
    this.disk.be({});
    this.disk.countAnew();
    await this.daemon.start();
    return underWay;
  }

  /** Their verdicts, and what the daemon says of itself. */
  async end(): Promise<void> {
    await Promise.all(
      this.#guests.map(async (guest, at) => {
        const end = await verdict(guest);
        assert.equal(numberIn(end, 'bad'), 0, guest.lastLines());
        await guest.waitFor('GUEST', 'bye');
        this.say({ spill: 'end', guest: NAMES[at], ...figuresOf(end) });
      }),
    );
    // Of the last life: nobody was refused anything.
    assert.deepEqual(
      (await this.#exports()).map(({ errors }) => errors),
      [0, 0],
    );
  }

  say(figures: object): void {
    console.log(JSON.stringify(figures));
  }

  async #exports(): Promise<readonly ExportStatus[]> {
    return (await this.daemon.status()).exports;
  }

  async #close(): Promise<void> {
    for (const monitor of this.#monitors) monitor.close();
    await Promise.all(this.#guests.map((guest) => guest.close()));
    await this.daemon.close();
    this.disk.remove();
  }
}
