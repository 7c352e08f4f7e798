/**
 * One export, several connections that read, write and discard the same few pages at the same time, and a daemon that
 * is killed under them, over and over: whatever a read returns is the newest write, or one that was under way with it.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Prng, seededPrng } from '../../src/base/prng.js';
import { KIB, PAGE_BYTES } from '../../src/base/units.js';
import { FaultyDisk } from '../support/faulty-disk.js';
import { type NbdClient, NbdReplyError } from '../support/nbd-client.js';
import { needs } from '../support/needs.js';
import { PageHistory } from '../support/page-history.js';
import { connectReal, serveReal } from '../support/real-daemon.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';
import { versionedPage } from '../support/versioned-page.js';

const KILLS = Number(process.env['TMEM_KILLS'] ?? 5);
const SEED = Number(process.env['TMEM_SEED'] ?? randomInt(2 ** 31));

const CONNECTIONS = 4;
/** Of each connection. */
const IN_FLIGHT = 6;
/** Most requests are for the first few. */
const HOT_PAGES = 24;
const REQUEST_PAGES_MAX = 4;

interface Setting {
  readonly where: string;
  readonly capacity: string;
  readonly pages: number;
  /** Of each call to the spill file, if there is one. */
  readonly spillMs?: number;
}

const SETTINGS: readonly Setting[] = [
  // So small, for 8 MiB of pages, that segments are cleaned all the time; so large that none is refused.
  { where: 'in the store', capacity: '16MiB', pages: 2048 },
  // A third of the pages finds room in the store.
  { where: 'in the store and on a slow disk', capacity: '8MiB', pages: 12_288, spillMs: 2 },
];

for (const setting of SETTINGS) {
  test(
    `R38, R39, R40: over ${CONNECTIONS} connections and ${KILLS} kills, no read returns what was written over or discarded, ${setting.where}`,
    { timeout: 60_000 + KILLS * 15_000, skip: setting.spillMs === undefined ? false : needs('gcc') },
    async (t) => {
      t.diagnostic(`seed ${SEED}`);
      try {
        await new Crowd(makePlaces(), seededPrng(SEED), setting).run(t);
      } catch (error) {
        const line = `TMEM_SEED=${SEED} TMEM_KILLS=${KILLS} node --enable-source-maps --test dist/test/crash/concurrent.test.js`;
        throw new Error(`${String(error)}\n${line}`, { cause: error });
      }
    },
  );
}

class Crowd {
  readonly #places: Places;
  readonly #prng: Prng;
  readonly #setting: Setting;
  readonly #disk: FaultyDisk | undefined;
  readonly #history: PageHistory;
  #daemon: TmemProcess | undefined;
  #version = 0;
  #ended = false;

  constructor(places: Places, prng: Prng, setting: Setting) {
    this.#places = places;
    this.#prng = prng;
    this.#setting = setting;
    this.#history = new PageHistory(setting.pages);
    if (setting.spillMs !== undefined) this.#disk = new FaultyDisk();
  }

  async run(t: TestContext): Promise<void> {
    try {
      const { pages, spillMs } = this.#setting;
      if (spillMs !== undefined) await this.#fill();
      for (let kill = 0; kill < KILLS; kill++) {
        await this.#start();
        this.#disk?.be({ delayMs: spillMs ?? 0 });
        await this.#live();
      }
      this.#disk?.be({});
      const calls = this.#disk?.calls;
      await this.#start();
      const client = await connectReal(this.#places, 'a');
      for (let page = 0; page < pages; page += REQUEST_PAGES_MAX) await this.#read(client, page, REQUEST_PAGES_MAX);
      await client.disconnect();
      this.#history.check();
      const { counts } = this.#history;
      t.diagnostic(JSON.stringify(counts));
      const spill = calls === undefined ? {} : { spillReads: calls.reads, spillWrites: calls.writes };
      console.log(JSON.stringify({ kills: KILLS, connections: CONNECTIONS, ...counts, ...spill }));
      if (calls !== undefined) assert.ok(calls.reads > 10 * KILLS && calls.writes > KILLS, 'pages go both ways');
      assert.ok(counts.contendedReads > counts.reads / 20, 'reads meet changes of the same page');
      assert.ok(counts.lost >= KILLS, 'kills cut changes off');
    } finally {
      await this.#daemon?.[Symbol.asyncDispose]();
      this.#disk?.remove();
      this.#places.remove();
    }
  }

  /** Every page once, so that most have to leave the store. */
  async #fill(): Promise<void> {
    await this.#start();
    const client = await connectReal(this.#places, 'a');
    for (let page = 0; page < this.#setting.pages; page += REQUEST_PAGES_MAX) {
      await this.#write(client, page, REQUEST_PAGES_MAX);
    }
    await client.disconnect();
    await this.#daemon!.stop('SIGTERM');
  }

  async #start(): Promise<void> {
    const { capacity, pages } = this.#setting;
    this.#daemon = serveReal(this.#places, {
      capacity,
      exports: { a: `${(pages * PAGE_BYTES) / KIB}KiB` },
      ...(this.#disk && { spill: { a: this.#disk.file('a') }, env: this.#disk.environment }),
    });
    await this.#daemon.ready();
  }

  /** Until the daemon is killed under it. */
  async #live(): Promise<void> {
    this.#ended = false;
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectReal(this.#places, 'a')));
    const loads = Promise.allSettled(
      clients.flatMap((client) => Array.from({ length: IN_FLIGHT }, () => this.#requests(client))),
    );
    await sleep(200 + this.#prng.below(600));
    const { signal, stderr } = await this.#daemon!.stop('SIGKILL');
    assert.equal(signal, 'SIGKILL', `the daemon ended by itself:\n${stderr}`);
    const wrong = (await loads).find(({ status }) => status === 'rejected');
    for (const client of clients) client.destroy();
    this.#history.cut();
    if (wrong?.status === 'rejected') throw wrong.reason;
  }

  async #requests(client: NbdClient): Promise<void> {
    while (!this.#ended) {
      const count = 1 + (this.#prng.below(3) === 0 ? this.#prng.below(REQUEST_PAGES_MAX) : 0);
      const from = this.#prng.below(4) === 0 ? this.#setting.pages : HOT_PAGES;
      const first = this.#prng.below(from - count);
      const dice = this.#prng.below(20);
      try {
        if (dice < 9) await this.#read(client, first, count);
        else if (dice > 10 || !pagesOf(first, count).every((page) => this.#history.mayDiscard(page)))
          await this.#write(client, first, count);
        else await this.#discard(client, first, count, dice === 9);
      } catch (error) {
        // The daemon is gone. An answer that it should not have given is another thing.
        if (error instanceof NbdReplyError || !/socket|ECONNRESET|EPIPE|closed/.test(String(error))) throw error;
        this.#ended = true;
      }
    }
  }

  async #read(client: NbdClient, first: number, count: number): Promise<void> {
    const begun = this.#history.now();
    const bytes = await client.read(first * PAGE_BYTES, count * PAGE_BYTES);
    for (const page of pagesOf(first, count)) {
      const at = (page - first) * PAGE_BYTES;
      this.#history.read(page, begun, versionIn(page, bytes.subarray(at, at + PAGE_BYTES)));
    }
  }

  async #write(client: NbdClient, first: number, count: number): Promise<void> {
    const version = ++this.#version;
    const ends = pagesOf(first, count).map((page) => this.#history.write(page, version));
    await client.write(
      first * PAGE_BYTES,
      Buffer.concat(pagesOf(first, count).map((page) => versionedPage(page, version))),
    );
    for (const end of ends) end();
  }

  async #discard(client: NbdClient, first: number, count: number, trims: boolean): Promise<void> {
    const ends = pagesOf(first, count).map((page) => this.#history.discard(page));
    const [at, bytes] = [first * PAGE_BYTES, count * PAGE_BYTES];
    await (trims ? client.trim(at, bytes) : client.writeZeroes(at, bytes));
    for (const end of ends) end();
  }
}

function pagesOf(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => first + n);
}

/** 0: zeros. @throws when the page is not as any version of it */
function versionIn(page: number, bytes: Buffer): number {
  if (bytes.every((byte) => byte === 0)) return 0;
  const version = bytes.readUInt32LE(0);
  assert.ok(bytes.equals(versionedPage(page, version)), `page ${page} is not what any write made it`);
  return version;
}
