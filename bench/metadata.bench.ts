import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pageIndex } from '../src/base/ids.js';
import { seededPrng } from '../src/base/prng.js';
import { MIB } from '../src/base/units.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from '../src/tmem/pool-attributes.js';
import { TmemStatus } from '../src/tmem/status.js';
import type { TmemPool } from '../src/tmem/tmem-pool.js';
import { type Bench, type BenchRun, type Figure, type Scale } from './bench.js';
import { smallPages } from './small-pages.js';
import { TmemStore } from './tmem-store.js';

/**
 * What the store keeps in memory for a page beside the page itself: a running store whose capacity is short, with a swap
 * disk and an ephemeral pool, until the pool has evicted more pages than it holds and all its ghosts are there. A guest
 * with a cache of its own reads files of 1 MiB at random, half the time one of a tenth of them, and its pool gets what
 * leaves that cache, or where gets keep pages what was read around it.
 *
 * It is what the status tells as `metadata_bytes`, and beside it, because that counts only what it knows of, what the
 * process says of its heap and buffers after a collection.
 *
 * The index has leaves of 64 pages, and orders know a page by its place in a leaf. So pages that stand alone cost more,
 * and what an inclusive pool keeps of a file has gaps. Neither has a floor of its own: the same guest reading single pages
 * at random, of which the pool then has one in three, and the inclusive pool without the persistent one beside it.
 */
export const metadataBench: Bench = {
  name: 'metadata',
  question: 'What does a page take in memory beside its record, in persistent pools and in those that evict?',
  needs: [],
  floors: {
    'metadata of a persistent page': { atMost: 40 },
    'metadata of a page, destructive with ghosts': { atMost: 56 },
    'metadata of a page, whole store with ghosts': { atMost: 56 },
    'heap and buffers of a page, whole store': { atMost: 56 },
  },
  run,
};

/** Persistent pages; an ephemeral pool comes to hold nearly as many. */
const SCALES: Readonly<Record<Scale, number>> = { full: 300_000, quick: 60_000 };

/** What a page takes as stored with its slack, so that the capacity is short for more. */
const BYTES_PER_PAGE = 290;
const BATCH = 32;
const FILE_PAGES = 256;
/** Pages that there are for each that the pool may hold, and gets for each of these. */
const SET = 3;
const GETS_PER_PAGE = 6;

async function run(scale: Scale): Promise<BenchRun> {
  const pages = SCALES[scale];
  const contents = smallPages();
  const figures: Figure[] = [];
  const rows: (string | number)[][] = [];
  const wholeStore: number[] = [];
  const inProcess: number[] = [];
  for (const inclusive of [false, true]) {
    const kind = inclusive ? 'inclusive' : 'destructive';
    for (const atOnce of scale === 'quick' ? [FILE_PAGES] : [FILE_PAGES, 1]) {
      const measured = await measure(pages, contents, inclusive, atOnce);
      const { ephemeral, metadata, persistentMetadata, grownBytes } = measured;
      if (atOnce > 1) {
        if (figures.length === 0) {
          figures.push({ name: 'metadata of a persistent page', value: persistentMetadata / pages, unit: 'bytes' });
        }
        wholeStore.push((persistentMetadata + metadata) / (pages + ephemeral));
        inProcess.push(grownBytes / (pages + ephemeral));
      }
      const what = atOnce > 1 ? `${kind} with ghosts` : `${kind}, single pages`;
      figures.push({ name: `metadata of a page, ${what}`, value: metadata / ephemeral, unit: 'bytes' });
      rows.push([kind, atOnce, ephemeral, measured.evicted, Math.round(measured.hitPercent), metadata]);
    }
  }
  figures.push(
    { name: 'metadata of a page, whole store with ghosts', value: Math.max(...wholeStore), unit: 'bytes' },
    { name: 'heap and buffers of a page, whole store', value: Math.max(...inProcess), unit: 'bytes' },
  );
  return {
    setting: [
      `a store of ${capacityOf(pages) / 2 ** 20} MiB with ${pages} persistent pages and one ephemeral pool, ${GETS_PER_PAGE} gets for each of ${SET * pages} pages`,
    ],
    figures,
    tables: [{ columns: ['pool', 'pages read at once', 'pages held', 'evicted', 'hits %', 'metadata bytes'], rows }],
  };
}

interface Measured {
  /** Most pages that the ephemeral pool held: memory is never given back. */
  readonly ephemeral: number;
  /** Bytes, of the ephemeral pool alone. */
  readonly metadata: number;
  readonly persistentMetadata: number;
  readonly evicted: number;
  readonly hitPercent: number;
  /** Of the process, by both pools. */
  readonly grownBytes: number;
}

async function measure(pages: number, contents: Buffer, inclusive: boolean, atOnce: number): Promise<Measured> {
  const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tmem-bench-'));
  const store = new TmemStore(folder, capacityOf(pages), contents);
  try {
    const before = processBytes();
    const swap = store.pool('swap', PERSISTENT_PRIVATE);
    for (let page = 0; page < pages; page++) {
      if (store.put(swap, 0n, page) !== TmemStatus.done) throw new Error('a page was refused');
      if (page % BATCH === BATCH - 1) store.commit();
    }
    store.commit();
    const persistentMetadata = store.tmem.metadataBytes;
    const pool = store.pool('cache', EPHEMERAL_PRIVATE, { inclusive });
    const ephemeral = await readFiles(store, pool, pages, atOnce);
    const { evicted, gets, getsHit } = pool.statistics;
    if (evicted < ephemeral) throw new Error(`only ${evicted} pages were evicted: ghosts are not all there`);
    return {
      ephemeral,
      metadata: store.tmem.metadataBytes - persistentMetadata,
      persistentMetadata,
      evicted,
      hitPercent: (100 * getsHit) / gets,
      grownBytes: processBytes() - before,
    };
  } finally {
    store.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
}

function capacityOf(pages: number): number {
  return Math.ceil((2 * pages * BYTES_PER_PAGE) / MIB) * MIB;
}

/** @returns the most pages that the pool held */
async function readFiles(store: TmemStore, pool: TmemPool, pages: number, atOnce: number): Promise<number> {
  const prng = seededPrng(3);
  const runs = Math.floor((SET * pages) / atOnce);
  // The guest's own memory, a third of the set in order of coming: what the pool need not have.
  const cache = new Uint32Array(Math.floor(runs / SET));
  const isCached = new Uint8Array(runs);
  const { isInclusive } = pool.attributes;
  let most = 0;
  let done = 0;
  let reads = 0;
  const each = (of: number, act: (object: bigint, index: number) => void): void => {
    for (let page = of * atOnce; page < (of + 1) * atOnce; page++) {
      act(BigInt(Math.floor(page / FILE_PAGES)), page % FILE_PAGES);
      if (++done % BATCH === 0) store.commit();
    }
  };
  for (let rounds = 0; rounds < GETS_PER_PAGE * runs; rounds++) {
    const wanted = prng.below(prng.below(2) === 0 ? runs : Math.ceil(runs / 10));
    // Files that were given back are closed when others have their turn.
    if (rounds % Math.ceil(65_536 / atOnce) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (isCached[wanted] === 1) continue;
    each(wanted, (object, index) => {
      const status = store.get(pool, object, pageIndex(index));
      if (isInclusive && status !== TmemStatus.done) store.put(pool, object, index);
    });
    const at = reads++ % cache.length;
    const left = cache[at]!;
    cache[at] = wanted;
    isCached[wanted] = 1;
    if (reads > cache.length) {
      isCached[left] = 0;
      if (!isInclusive) each(left, (object, index) => store.put(pool, object, index));
    }
    most = Math.max(most, pool.pages);
  }
  store.commit();
  return most;
}

/** Heap and array buffers after a collection. */
function processBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
