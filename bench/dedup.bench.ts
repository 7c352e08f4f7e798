import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommitOutcome } from '../src/base/commit-outcome.js';
import { type Address, address, pageIndex } from '../src/base/ids.js';
import { seededPrng } from '../src/base/prng.js';
import { MIB, PAGE_BYTES } from '../src/base/units.js';
import type { Engine } from '../src/engine/engine.js';
import { GetOutcome } from '../src/engine/get-outcome.js';
import { type Kernel, loadKernel } from '../src/engine/kernel.js';
import { openEngine, segmentBytesFor } from '../src/engine/open-engine.js';
import { PutOutcome } from '../src/engine/put-outcome.js';
import type { StoredObject } from '../src/engine/stored-object.js';
import { RealSegmentFiles } from '../src/io/real-segment-files.js';
import { type Bench, type BenchRun, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';

/**
 * Pages of a trust domain against the same pages in a store that shares none, in process, by turns: puts of pages that
 * nobody else has, the worst of sharing, puts of pages that another guest has, and gets of both. Then what is stored and
 * what is kept in memory for it. Pages are of the corpus; those that are to be unlike all others have a number in them.
 */
export const dedupBench: Bench = {
  name: 'dedup',
  question: 'What does it cost and save that equal pages of a trust domain share their memory?',
  needs: [],
  floors: {
    'put of a page that nobody has, unshared = 1': { atMost: 1.4 },
    'put of a page that another has, unshared = 1': { atMost: 0.85 },
    'get of a page that nobody has, unshared = 1': { atMost: 1.2 },
    'get of a page that another has, unshared = 1': { atMost: 1.2 },
    'stored of two guests with equal pages, unshared = 1': { atMost: 0.55 },
    'metadata of a page that nobody has': { atMost: 40 },
  },
  run,
};

/** Pages of each guest. */
const SCALES: Readonly<Record<Scale, { pages: number; rounds: number; calls: number }>> = {
  full: { pages: 100_000, rounds: 21, calls: 8192 },
  quick: { pages: 20_000, rounds: 15, calls: 2048 },
};

const CAPACITY_BYTES: number = 8 * 1024 * MIB;
const BATCH = 32;

/** Where a page's number is written. */
const STAMP_AT = 2048;

/** The guests: one has pages of its own, the others have the same ones. */
type Guest = 'alone' | 'first' | 'second';
type Kind = 'unshared' | 'shared';

async function run(scale: Scale): Promise<BenchRun> {
  const { pages, rounds, calls } = SCALES[scale];
  const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tmem-bench-'));
  const corpus = readFileSync(corpusFile());
  const stores = {
    unshared: new Store(path.join(folder, 'unshared'), corpus, pages, false),
    shared: new Store(path.join(folder, 'shared'), corpus, pages, true),
  };
  try {
    const kept = { unshared: stores.unshared.fill('alone'), shared: stores.shared.fill('alone') };
    const unique = stores.shared.metadataBytes / pages;
    const before = { unshared: stores.unshared.liveBytes, shared: stores.shared.liveBytes };
    for (const kind of ['unshared', 'shared'] as const)
      for (const guest of ['first', 'second'] as const) stores[kind].fill(guest);
    const equal = (kind: Kind): number => stores[kind].liveBytes - before[kind];
    const samples = { alone: timings(), second: timings() };
    for (let round = -1; round < rounds; round++) {
      for (const guest of ['alone', 'second'] as const) {
        for (const verb of ['put', 'get'] as const) {
          for (const kind of ['unshared', 'shared'] as const) {
            const us = stores[kind].timed(verb, guest, calls) / calls;
            if (round >= 0) samples[guest][verb][kind].push(us);
          }
        }
      }
    }
    const ratio = (guest: 'alone' | 'second', verb: 'put' | 'get'): number => {
      const { shared, unshared } = samples[guest][verb];
      return median(shared.map((us, at) => us / unshared[at]!));
    };
    return {
      setting: [
        `three guests of ${pages} pages, one whose pages are its own, two whose pages are equal; ${rounds} rounds of ${calls} calls by turns, puts in batches of ${BATCH}`,
        `stored of pages that nobody else has, in bytes a page: unshared ${perPage(kept.unshared)}, shared ${perPage(kept.shared)}`,
      ],
      figures: [
        { name: 'put of a page that nobody has, unshared = 1', value: ratio('alone', 'put'), unit: 'x' },
        { name: 'put of a page that another has, unshared = 1', value: ratio('second', 'put'), unit: 'x' },
        { name: 'get of a page that nobody has, unshared = 1', value: ratio('alone', 'get'), unit: 'x' },
        { name: 'get of a page that another has, unshared = 1', value: ratio('second', 'get'), unit: 'x' },
        {
          name: 'stored of two guests with equal pages, unshared = 1',
          value: equal('shared') / equal('unshared'),
          unit: 'x',
        },
        { name: 'metadata of a page that nobody has', value: unique, unit: 'bytes' },
      ],
      tables: [
        {
          columns: ['guest', 'verb', 'unshared us', 'shared us'],
          rows: (['alone', 'second'] as const).flatMap((guest) =>
            (['put', 'get'] as const).map((verb) => {
              const { unshared, shared } = samples[guest][verb];
              return [guest, verb, median(unshared).toFixed(2), median(shared).toFixed(2)];
            }),
          ),
        },
      ],
    };
  } finally {
    for (const store of Object.values(stores)) store.close();
    rmSync(folder, { recursive: true, force: true });
  }

  function perPage(bytes: number): number {
    return Math.round(bytes / pages);
  }
}

function timings(): Record<'put' | 'get', Record<Kind, number[]>> {
  return { put: { unshared: [], shared: [] }, get: { unshared: [], shared: [] } };
}

class Store {
  readonly #engine: Engine;
  readonly #kernel: Kernel;
  readonly #objects: Record<Guest, StoredObject>;
  readonly #corpus: Buffer;
  readonly #pages: number;
  readonly #page: Address;
  readonly #prng = seededPrng(1);
  /** Of the last page that is unlike all others. */
  #number = 0;

  constructor(folder: string, corpus: Buffer, pages: number, shares: boolean) {
    this.#kernel = loadKernel({ memoryBytes: 4 * MIB });
    this.#engine = openEngine(this.#kernel, new RealSegmentFiles(folder), {
      segmentBytes: segmentBytesFor(CAPACITY_BYTES),
      capacityBytes: CAPACITY_BYTES,
      arena: { low: 1, high: 2 },
    }).engine;
    const objectOf = (guest: Guest): StoredObject => {
      const pool = this.#engine.createPool(Buffer.from(guest));
      if (shares) this.#engine.shareWithin(pool, 'bench');
      return this.#engine.createObject(pool, Buffer.from('pages'));
    };
    this.#objects = { alone: objectOf('alone'), first: objectOf('first'), second: objectOf('second') };
    this.#corpus = corpus;
    this.#pages = pages;
    this.#page = address(this.#kernel.allocate(PAGE_BYTES));
  }

  get liveBytes(): number {
    return this.#engine.liveBytes;
  }

  get metadataBytes(): number {
    return this.#engine.metadataBytes;
  }

  /** @returns what is stored then */
  fill(guest: Guest): number {
    for (let page = 0; page < this.#pages; page++) {
      this.#put(guest, page);
      if (page % BATCH === BATCH - 1) this.#commit();
    }
    this.#commit();
    return this.liveBytes;
  }

  /** @returns us of all calls */
  timed(verb: 'put' | 'get', guest: Guest, calls: number): number {
    const start = performance.now();
    for (let done = 1; done <= calls; done++) {
      const page = this.#prng.below(this.#pages);
      if (verb === 'get') this.#get(guest, page);
      else {
        this.#put(guest, page);
        if (done % BATCH === 0 || done === calls) this.#commit();
      }
    }
    return (performance.now() - start) * 1000;
  }

  close(): void {
    this.#engine.close();
  }

  #put(guest: Guest, page: number): void {
    // The two have the same page in the same place, as of one program; each put of the other one is of a new page.
    const number = guest === 'alone' ? -++this.#number : page;
    const from = ((Math.abs(number) * 7919) % (this.#corpus.length / PAGE_BYTES)) * PAGE_BYTES;
    this.#corpus.copy(this.#kernel.bytes, this.#page, from, from + PAGE_BYTES);
    this.#kernel.view.setFloat64(this.#page + STAMP_AT, number);
    const outcome = this.#engine.put(this.#objects[guest], pageIndex(page), this.#page);
    if (outcome !== PutOutcome.stored) throw new Error('a page was refused');
  }

  #get(guest: Guest, page: number): void {
    if (this.#engine.get(this.#objects[guest], pageIndex(page), this.#page) !== GetOutcome.hit) {
      throw new Error('a page is missing');
    }
  }

  #commit(): void {
    if (this.#engine.commit() !== CommitOutcome.done) throw new Error('a batch was refused');
    this.#engine.catchUp();
  }
}
