/**
 * The daemon, killed with requests in flight and started again on its arena, over and over: what it acknowledged is
 * there, what it did not is there or not, page by page, and nothing else ever is.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import type { NbdClient } from '../support/nbd-client.js';
import { NbdLane } from '../support/nbd-lane.js';
import { arenaBytes, checkReal, connectReal, serveReal } from '../support/real-daemon.js';
import { makeDiskPlaces } from '../support/disk-places.js';
import { needs } from '../support/needs.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';

const KILLS = Number(process.env['TMEM_KILLS'] ?? 5);
const SEED = Number(process.env['TMEM_SEED'] ?? randomInt(2 ** 31));

/** One life in so many ends with a clean stop, beside the kills: what it leaves must be good to die on. */
const STOP_EVERY = 10;

/** So small that segments are cleaned all the time. */
const CAPACITY_MIB = 24;
const DAEMON = { capacity: `${CAPACITY_MIB}MiB`, exports: { a: '12MiB', b: '16MiB' } };

/** A start may have another number of workers than the one before: pages are then served by whoever has them. */
const WORKERS_MAX = 3;

for (const [where, make, workersMax, skip] of [
  ['tmpfs', makePlaces, 1, false],
  ['tmpfs, with other workers at each start', makePlaces, WORKERS_MAX, false],
  ['a disk', makeDiskPlaces, 1, needs('disk')],
  ['a disk, with other workers at each start', makeDiskPlaces, WORKERS_MAX, needs('disk')],
] as const) {
  test(
    `on ${where}, after each of ${KILLS} kills under load, every page is what was acknowledged or was under way`,
    { timeout: 30_000 + KILLS * 15_000, skip },
    async (t) => {
      t.diagnostic(`seed ${SEED}`);
      try {
        await new Killing(make(), seededPrng(SEED), workersMax).run(t);
      } catch (error) {
        const line = `TMEM_SEED=${SEED} TMEM_KILLS=${KILLS} node --enable-source-maps --test dist/test/crash/kill.test.js`;
        throw new Error(`${String(error)}\n${line}`, { cause: error });
      }
    },
  );
}

class Killing {
  readonly #places: Places;
  readonly #prng: Prng;
  readonly #workersMax: number;
  /** Export a by one connection, export b by two. */
  readonly #lanes: readonly { lane: NbdLane; name: string }[];
  #daemon: TmemProcess | undefined;
  #kills = 0;
  #killsInStart = 0;
  #stops = 0;
  #pagesCompared = 0;
  #arenaBytesMax = 0;

  constructor(places: Places, prng: Prng, workersMax: number) {
    this.#places = places;
    this.#workersMax = workersMax;
    this.#prng = prng;
    const pages = (12 * MIB) / PAGE_BYTES;
    const half = (8 * MIB) / PAGE_BYTES;
    this.#lanes = [
      { lane: new NbdLane('all of a', 0, pages, prng), name: 'a' },
      { lane: new NbdLane('first half of b', 0, half, prng), name: 'b' },
      { lane: new NbdLane('second half of b', half, half, prng), name: 'b' },
    ];
  }

  async run(t: TestContext): Promise<void> {
    try {
      await this.#start();
      for (let life = 1; this.#kills < KILLS; life++) {
        await this.#loadUntilDeath(life % STOP_EVERY === 0 ? 'SIGTERM' : 'SIGKILL');
        if (this.#prng.below(4) === 0) await this.#dieInStart();
        await this.#checkOffline();
        await this.#start();
      }
      const counts = this.#lanes.map(({ lane }) => lane.counts);
      const sum = (of: 'acknowledged' | 'unanswered' | 'refused' | 'reads'): number =>
        counts.reduce((total, each) => total + each[of], 0);
      t.diagnostic(
        `changes acknowledged ${sum('acknowledged')}, cut off ${sum('unanswered')}, refused ${sum('refused')}; ` +
          `reads ${sum('reads')}; arena at most ${this.#arenaBytesMax / MIB} MiB`,
      );
      const kills = { kills: this.#kills, killsInRecovery: this.#killsInStart, stops: this.#stops };
      console.log(JSON.stringify({ ...kills, pages: this.#pagesCompared }));
      assert.ok(sum('unanswered') >= KILLS / 2, 'kills cut requests off');
    } finally {
      await this.#daemon?.[Symbol.asyncDispose]();
      this.#places.remove();
    }
  }

  /** Starts on what the last life left, and compares every page. */
  async #start(): Promise<void> {
    this.#daemon = this.#serve();
    await this.#daemon.ready();
    for (const { lane, client } of await this.#connect()) {
      await lane.verify(client);
      this.#pagesCompared += lane.model.pages;
      await client.disconnect();
    }
  }

  async #loadUntilDeath(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const connections = await this.#connect();
    const loads = connections.map(({ lane, client }) => lane.load(client));
    const done = Promise.allSettled(loads);
    const millis = 100 + this.#prng.below(1200);
    for (let slept = 0; slept < millis; slept += 50) {
      await sleep(Math.min(50, millis - slept));
      const bytes = arenaBytes(this.#places);
      assert.ok(bytes <= CAPACITY_MIB * MIB, `the arena takes ${bytes} bytes`);
      this.#arenaBytesMax = Math.max(this.#arenaBytesMax, bytes);
    }
    const ended = await this.#daemon!.stop(signal);
    if (signal === 'SIGTERM') {
      this.#stops++;
      assert.equal(ended.code, 0, ended.stderr);
    } else {
      this.#kills++;
      assert.equal(ended.signal, 'SIGKILL', `the daemon ended by itself:\n${ended.stderr}`);
    }
    await done;
    for (const { client } of connections) client.destroy();
    await Promise.all(loads);
  }

  /** A start that does not get far: recovery itself writes little, but it does. */
  async #dieInStart(): Promise<void> {
    this.#daemon = this.#serve();
    await sleep(100 + this.#prng.below(500));
    await this.#daemon.stop('SIGKILL');
    this.#killsInStart++;
  }

  /** The first time with all workers, so that there are pages in several parts. */
  #serve(): TmemProcess {
    const workers = this.#kills === 0 ? this.#workersMax : 1 + this.#prng.below(this.#workersMax);
    return serveReal(this.#places, { ...DAEMON, workers });
  }

  async #checkOffline(): Promise<void> {
    const { code, stdout, stderr } = await checkReal(this.#places);
    assert.deepEqual([code, stdout.includes('no damage')], [0, true], `${stdout}${stderr}`);
  }

  async #connect(): Promise<{ lane: NbdLane; client: NbdClient }[]> {
    return Promise.all(
      this.#lanes.map(async ({ lane, name }) => ({ lane, client: await connectReal(this.#places, name) })),
    );
  }
}
