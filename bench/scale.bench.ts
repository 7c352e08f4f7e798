import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pageIndex } from '../src/base/ids.js';
import { seededPrng } from '../src/base/prng.js';
import { GIB } from '../src/base/units.js';
import { IDLE_SLACK } from '../src/engine/space.js';
import { PERSISTENT_PRIVATE } from '../src/tmem/pool-attributes.js';
import { TmemStatus } from '../src/tmem/status.js';
import type { TmemPool } from '../src/tmem/tmem-pool.js';
import { type Bench, type BenchRun, type Figure, median, type Scale } from './bench.js';
import { Longest } from './longest.js';
import { buildPeer } from './peers/build-peer.js';
import { PeerProcess } from './peers/peer-process.js';
import { smallPages } from './small-pages.js';
import { TmemStore } from './tmem-store.js';

/**
 * Ten million pages in one pool, small ones: what a put and a get cost beside those of a store of ten thousand, by turns; the
 * longest that anything took on the way there, a batch at a time; and the recovery of all of them.
 *
 * Of a large store little is in the processor's caches: what that costs the same work in C stands beside it.
 */
export const scaleBench: Bench = {
  name: 'scale',
  question: 'What does a store of millions of pages cost, does it ever stop, and how long does it take to be back?',
  needs: ['gcc', 'liblz4'],
  floors: {
    'growth of an operation': { atMost: 2 },
    'longest batch or step of upkeep': { atMost: 50_000 },
    'recovery of a page': { atMost: 2 },
    'metadata of a page': { atMost: 40 },
  },
  run,
};

const SCALES: Readonly<Record<Scale, { stores: readonly [number, number]; rounds: number; batches: number }>> = {
  full: { stores: [10_000, 10_000_000], rounds: 41, batches: 128 },
  quick: { stores: [10_000, 300_000], rounds: 15, batches: 64 },
};

/** Segments as small as they get, and as many as there can be. */
const CAPACITY_BYTES: number = 16 * GIB;

const BATCH = 32;

/** One, as of a swap disk. */
const OBJECT = 0n;

async function run(scale: Scale): Promise<BenchRun> {
  const { stores, rounds, batches } = SCALES[scale];
  const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tmem-bench-'));
  const pages = smallPages();
  const longest = new Longest();
  const open: Pages[] = [];
  try {
    const corpus = path.join(folder, 'pages');
    writeFileSync(corpus, pages);
    await using peer = new PeerProcess(buildPeer('engine-limit', ['lz4']), [
      corpus,
      path.join(folder, 'c'),
      ...stores.map(String),
    ]);
    for (const [number, count] of stores.entries()) {
      const store = new Pages(new TmemStore(path.join(folder, String(number)), CAPACITY_BYTES, pages), count, longest);
      open.push(store);
      store.fill();
      store.put(count / BATCH);
      await peer.ask(`fill ${number}`);
      await peer.ask(`put ${number} ${count}`);
    }
    const us = stores.map((): Record<'ours' | 'c', Record<'put' | 'get', number[]>> => ({
      ours: { put: [], get: [] },
      c: { put: [], get: [] },
    }));
    for (let round = -1; round < rounds; round++) {
      for (const verb of ['put', 'get'] as const) {
        for (const [number, store] of open.entries()) {
          const start = performance.now();
          store[verb](batches);
          const each = ((performance.now() - start) * 1000) / (batches * BATCH);
          const [ns] = await peer.ask(`${verb} ${number} ${batches * BATCH}`);
          if (round < 0) continue;
          us[number]!.ours[verb].push(each);
          us[number]!.c[verb].push(ns! / 1000 / (batches * BATCH));
        }
      }
    }
    const large = open.at(-1)!;
    const steps = large.tidyUp();
    const { metadataBytes } = large.store.tmem;
    const { liveBytes } = large.store.engine;
    const { occupiedBytes } = large.store.engine.segments;
    const before = large.pool.pages;
    large.store.abandon();
    const start = performance.now();
    const again = new Pages(new TmemStore(path.join(folder, '1'), CAPACITY_BYTES, pages), stores[1], longest);
    const recoveryMs = performance.now() - start;
    open[1] = again;
    if (again.pool.pages !== before) throw new Error(`${before - again.pool.pages} pages did not come back`);
    const growth = (of: 'ours' | 'c', verb: 'put' | 'get'): number =>
      median(us[1]![of][verb].map((value, round) => value / us[0]![of][verb][round]!));
    const both = (of: Record<'put' | 'get', number[]>): number => median(of.put) + median(of.get);
    const figures: Figure[] = [
      // As a swap disk has it: each page that comes is fetched once.
      { name: 'growth of an operation', value: both(us[1]!.ours) / both(us[0]!.ours), unit: 'x' },
      { name: 'growth of put', value: growth('ours', 'put'), unit: 'x' },
      { name: 'growth of get', value: growth('ours', 'get'), unit: 'x' },
      { name: 'growth of put in C', value: growth('c', 'put'), unit: 'x' },
      { name: 'growth of get in C', value: growth('c', 'get'), unit: 'x' },
      { name: 'longest batch or step of upkeep', value: longest.us, unit: 'us' },
      { name: 'recovery of a page', value: (recoveryMs * 1000) / before, unit: 'us' },
      { name: 'metadata of a page', value: metadataBytes / before, unit: 'bytes' },
    ];
    return {
      setting: [
        `stores of ${stores.join(' and ')} pages, filled and overwritten once at random in batches of ${BATCH}, then ${rounds} rounds of ${batches} batches each by turns`,
        `the longest was ${longest.name}; by the clock alone ${(longest.wallUs / 1000).toFixed(1)} ms; ${steps} steps of upkeep`,
        `${before} pages take ${(liveBytes / before).toFixed(0)} bytes each, the arena ${(occupiedBytes / 2 ** 20).toFixed(0)} MiB; recovery took ${(recoveryMs / 1000).toFixed(1)} s`,
      ],
      figures,
      tables: [
        {
          columns: ['pages', 'put us', 'get us', 'put in C us', 'get in C us'],
          rows: us.map(({ ours, c }, number) => [
            stores[number]!,
            median(ours.put).toFixed(2),
            median(ours.get).toFixed(2),
            median(c.put).toFixed(2),
            median(c.get).toFixed(2),
          ]),
        },
      ],
    };
  } finally {
    for (const { store } of open) store.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Pages {
  readonly store: TmemStore;
  readonly pool: TmemPool;
  readonly #count: number;
  readonly #longest: Longest;
  readonly #prng = seededPrng(1);

  constructor(store: TmemStore, count: number, longest: Longest) {
    this.store = store;
    this.pool = store.pool('swap', PERSISTENT_PRIVATE);
    this.#count = count;
    this.#longest = longest;
  }

  fill(): void {
    for (let from = 0; from < this.#count; from += BATCH)
      this.#longest.time('a batch of the fill', () => this.#fill(from));
  }

  /** At random. */
  put(batches: number): void {
    for (; batches > 0; batches--) this.#longest.time('a batch of puts', () => this.#put());
  }

  get(batches: number): void {
    for (; batches > 0; batches--) this.#longest.time('a batch of gets', () => this.#get());
  }

  /** All that a shard does when nobody asks for anything. @returns steps */
  tidyUp(): number {
    const state = { more: true, steps: 0 };
    for (; state.more; state.steps++) {
      this.#longest.time('a step of upkeep', () => {
        state.more = this.store.engine.maintain(IDLE_SLACK, true);
      });
    }
    return state.steps;
  }

  #fill(from: number): void {
    for (let page = from; page < Math.min(from + BATCH, this.#count); page++) this.#putPage(page);
    this.store.commit();
  }

  #put(): void {
    for (let put = 0; put < BATCH; put++) this.#putPage(this.#prng.below(this.#count));
    this.store.commit();
  }

  #get(): void {
    for (let get = 0; get < BATCH; get++) {
      const status = this.store.get(this.pool, OBJECT, pageIndex(this.#prng.below(this.#count)));
      if (status !== TmemStatus.done) throw new Error('a page is missing');
    }
  }

  #putPage(page: number): void {
    if (this.store.put(this.pool, OBJECT, page) !== TmemStatus.done) throw new Error('a page was refused');
  }
}
