/**
 * Two guests of one trust domain and one of another, which write the same pages to a real daemon: it is killed under them,
 * and started again as it was, without dedup, and with other domains. What is saved is what a model says, to the byte.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusDocument } from '../../src/base/status.js';
import { seededPrng } from '../../src/base/prng.js';
import { PAGE_BYTES } from '../../src/base/units.js';
import { NbdError } from '../../src/wire/nbd/request.js';
import { makeDiskPlaces } from '../support/disk-places.js';
import { NbdClient } from '../support/nbd-client.js';
import { rejects } from '../support/nbd-fixture.js';
import { needs } from '../support/needs.js';
import { checkReal, serveReal, statusReal } from '../support/real-daemon.js';
import { content } from '../support/sharing-engine.js';
import { SharingDisk, sharingOf } from '../support/sharing-disk.js';
import { makePlaces, type Places, type TmemProcess } from '../support/tmem-process.js';

const KILLS = Number(process.env['TMEM_KILLS'] ?? 3);
const SEED = Number(process.env['TMEM_SEED'] ?? randomInt(2 ** 31));

const PAGES = 400;
/** Contents that all guests write. */
const NUMBERS = 120;
/** On top of these each has some that it alone writes. */
const OWN = [1000, 2000, 3000];

const EXPORTS = { 'one/swap': '2MiB', 'two/swap': '2MiB', 'other/swap': '2MiB' };
const TRUST = { one: 'tenant', two: 'tenant', other: 'stranger' };

for (const [where, make, workers, skip] of [
  ['tmpfs', makePlaces, 1, false],
  ['tmpfs, with two workers', makePlaces, 2, false],
  ['a disk', makeDiskPlaces, 1, needs('disk')],
] as const) {
  test(
    `R78, R81: on ${where}, guests of one trust domain share pages, and after kills, without dedup and in other domains every page is right`,
    { timeout: 120_000 + KILLS * 15_000, skip },
    async (t) => {
      t.diagnostic(`seed ${SEED}`);
      const places = make();
      try {
        await new Tenants(places, workers).run();
      } finally {
        places.remove();
      }
    },
  );
}

class Tenants {
  readonly #places: Places;
  readonly #workers: number;
  readonly #prng = seededPrng(SEED);
  readonly #disks = Object.keys(EXPORTS).map((name) => new SharingDisk(name, null, PAGES, NUMBERS, this.#prng));
  #clients: NbdClient[] = [];

  constructor(places: Places, workers: number) {
    this.#places = places;
    this.#workers = workers;
  }

  async run(): Promise<void> {
    await this.#in(TRUST, () => this.#sameByAll());
    for (let kill = 0; kill < KILLS; kill++) await this.#in(TRUST, (daemon) => this.#killed(daemon));
    await this.#in(TRUST, () => this.#trimmed());
    await this.#in({}, () => this.#writeSome());
    await this.#in({ one: 'elsewhere', two: 'tenant', other: 'stranger' }, () => this.#writeSome());
    await this.#in(TRUST, () => this.#damaging());
    await this.#damage();
  }

  /** A life of the daemon, which ends by a kill. */
  async #in(trust: Readonly<Record<string, string>>, live: (daemon: TmemProcess) => Promise<void>): Promise<void> {
    await using daemon = await this.#start(trust);
    await this.#verify();
    await live(daemon);
    await daemon.stop('SIGKILL');
    for (const client of this.#clients) client.destroy();
  }

  async #start(trust: Readonly<Record<string, string>>): Promise<TmemProcess> {
    const daemon = serveReal(this.#places, { capacity: '24MiB', exports: EXPORTS, trust, workers: this.#workers });
    await daemon.ready();
    for (const disk of this.#disks) {
      const domain = trust[disk.name.split('/')[0]!];
      disk.domain = domain === undefined ? null : `trust ${domain}`;
    }
    this.#clients = await Promise.all(
      this.#disks.map(({ name }) => NbdClient.connect(path.join(this.#places.runDir, `${name.replace('/', '-')}.nbd`))),
    );
    return daemon;
  }

  async #verify(): Promise<void> {
    await Promise.all(this.#disks.map((disk, at) => disk.verify(this.#clients[at]!)));
    await this.#expectFigures();
  }

  /** What the status says is what follows from what was written. */
  async #expectFigures(): Promise<StatusDocument> {
    const status = await statusReal(this.#places);
    const said = status.exports.map((each) => [
      each.name,
      each.dedup_domain,
      each.stored_pages,
      each.dedup_pages,
      each.stored_bytes,
    ]);
    const known = this.#disks.map(({ name, domain, figures }) => [
      name,
      domain,
      figures.pages,
      figures.sharedPages,
      figures.storedBytes,
    ]);
    assert.deepEqual(said, known);
    const { contents, savedBytes } = sharingOf(this.#disks);
    assert.deepEqual([status.arena.dedup_contents, status.arena.dedup_saved_bytes], [contents, savedBytes]);
    const { committed, budget_bytes: budget } = status.ledger;
    const charged = this.#disks.reduce((sum, { figures }) => sum + figures.storedBytes, 0);
    assert.equal(committed.persistent, charged - savedBytes);
    assert.equal(
      Object.values(committed).reduce((sum, bytes) => sum + bytes, 0),
      budget,
    );
    assert.ok(status.arena.live_bytes >= committed.persistent, 'the rest is tombstones');
    return status;
  }

  /** All write the same pages: one copy for two of them, another for the third; then each some of its own. */
  async #sameByAll(): Promise<void> {
    await this.#byAll(async (disk, client) => {
      for (let page = 0; page < NUMBERS; page++) await disk.put(client, page, 1 + page);
    });
    const { arena, exports } = await this.#expectFigures();
    const copyBytes = exports[0]!.stored_bytes - NUMBERS * 48;
    assert.equal(arena.dedup_saved_bytes, copyBytes);
    assert.equal(arena.live_bytes, 2 * copyBytes + 3 * NUMBERS * 48);
    await this.#byAll(async (disk, client, at) => {
      for (let page = NUMBERS; page < NUMBERS + 40; page++) await disk.put(client, page, OWN[at]! + page);
    });
    assert.equal((await this.#expectFigures()).arena.dedup_saved_bytes, copyBytes);
  }

  async #killed(daemon: TmemProcess): Promise<void> {
    const before = this.#disks.map(({ acknowledged }) => acknowledged);
    const loads = this.#disks.map((disk, at) => disk.load(this.#clients[at]!));
    await daemon.waitFor(
      () => this.#disks.every(({ acknowledged }, at) => acknowledged >= before[at]! + 100),
      'all have written',
    );
    await sleep(this.#prng.below(200));
    await daemon.stop('SIGKILL');
    await Promise.all(loads);
  }

  /** One guest gives up what it shares; the other's pages stay. */
  async #trimmed(): Promise<void> {
    await this.#byAll(async (disk, client) => {
      for (let page = 0; page < NUMBERS; page++) await disk.put(client, page, 1 + page);
    });
    await this.#disks[0]!.trim(this.#clients[0]!, 0, NUMBERS / 2);
    await this.#verify();
    await this.#disks[0]!.trim(this.#clients[0]!, 0, PAGES);
    await this.#verify();
  }

  async #writeSome(): Promise<void> {
    await this.#byAll(async (disk, client) => {
      for (let page = 0; page < 60; page++) await disk.put(client, 2 * page, 1 + page);
    });
    await this.#verify();
  }

  /** Page 7 of all is a content that all have, and that stands as it is in the log. */
  async #damaging(): Promise<void> {
    await this.#byAll(async (disk, client) => {
      await disk.trim(client, 0, PAGES);
      for (let page = 0; page < NUMBERS; page++) await disk.put(client, page, page === 7 ? RAW : 1000 + page);
    });
    await this.#verify();
  }

  /** Wherever a copy of the content stands: that of the two, that of the third, and what cleaning has left behind. */
  async #damage(): Promise<void> {
    const whole = await checkReal(this.#places);
    assert.deepEqual([whole.code, /(\d+) pages/.exec(whole.stdout)![1]], [0, String(3 * NUMBERS)], whole.stdout);
    const named = new Map<string, readonly [file: string, at: number]>();
    for (const copy of this.#copies()) {
      damage(...copy);
      const { stdout } = await checkReal(this.#places);
      const pages = [...stdout.matchAll(/^damaged: (\S+) page (\d+)$/gm)].map(([, name, page]) => `${name} ${page}`);
      if (pages.length > 0) named.set(pages.toSorted().join(', '), copy);
      // The same again: it is as it was.
      damage(...copy);
    }
    assert.deepEqual([...named.keys()].toSorted(), ['one/swap 7, two/swap 7', 'other/swap 7']);
    damage(...named.get('one/swap 7, two/swap 7')!);
    await using daemon = await this.#start(TRUST);
    const [one, two, other] = this.#clients;
    await rejects(one!.read(7 * PAGE_BYTES, PAGE_BYTES), NbdError.io);
    await rejects(two!.read(7 * PAGE_BYTES, PAGE_BYTES), NbdError.io);
    assert.ok((await other!.read(7 * PAGE_BYTES, PAGE_BYTES)).equals(content(RAW)));
    await this.#disks[0]!.put(one!, 7, RAW);
    assert.ok((await one!.read(7 * PAGE_BYTES, PAGE_BYTES)).equals(content(RAW)), 'what is put is no damaged content');
    await rejects(two!.read(7 * PAGE_BYTES, PAGE_BYTES), NbdError.io);
    for (const [disk, at] of this.#disks.map((each, n) => [each, n] as const)) {
      disk.pages[7] = undefined;
      await this.#clients[at]!.trim(7 * PAGE_BYTES, PAGE_BYTES);
    }
    await this.#verify();
    await daemon.stop();
    assert.equal((await checkReal(this.#places)).code, 0);
  }

  async #byAll(act: (disk: SharingDisk, client: NbdClient, at: number) => Promise<void>): Promise<void> {
    await Promise.all(this.#disks.map((disk, at) => act(disk, this.#clients[at]!, at)));
  }

  #copies(): [file: string, at: number][] {
    const part = content(RAW).subarray(1000, 1064);
    return readdirSync(this.#places.arena, { recursive: true, encoding: 'utf8' })
      .filter((name) => /segment-\d{5}$/.test(name))
      .map((name) => path.join(this.#places.arena, name))
      .flatMap((file) => {
        const bytes = readFileSync(file);
        const copies: [string, number][] = [];
        for (let at = bytes.indexOf(part); at >= 0; at = bytes.indexOf(part, at + 1)) copies.push([file, at]);
        return copies;
      });
  }
}

/** A content that does not compress, so that its bytes are found in the log. */
const RAW = 9;

function damage(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 0xff;
  writeFileSync(file, bytes);
}
