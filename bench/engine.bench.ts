import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommitOutcome } from '../src/base/commit-outcome.js';
import { type Address, address, pageIndex } from '../src/base/ids.js';
import { seededPrng } from '../src/base/prng.js';
import { MIB, PAGE_BYTES } from '../src/base/units.js';
import type { Engine } from '../src/engine/engine.js';
import { GetOutcome } from '../src/engine/get-outcome.js';
import { PutOutcome } from '../src/engine/put-outcome.js';
import { type Kernel, loadKernel } from '../src/engine/kernel.js';
import { openEngine, segmentBytesFor } from '../src/engine/open-engine.js';
import type { StoredObject } from '../src/engine/stored-object.js';
import { RealSegmentFiles } from '../src/io/real-segment-files.js';
import { type Bench, type BenchRun, type Figure, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { buildPeer } from './peers/build-peer.js';
import { PeerProcess } from './peers/peer-process.js';

/**
 * The engine in process, without a socket: our puts and gets against `engine-limit.c`, which does the same work and
 * nothing else (liblz4, CRC-32C, index, arena by mmap; no log). By turns, on stores of equal sizes, pages of the same
 * corpus at random. Ours pays for cleaning within its puts, and each store was overwritten twice before it counts.
 *
 * Growth is what a put or get costs in the largest store over what it costs in the smallest: TLB and caches miss more
 * in any store, so C's is shown beside it.
 */
export const engineBench: Bench = {
  name: 'engine',
  question: 'What does a page cost in process, against the same work in C, and how does it grow with the store?',
  needs: ['gcc', 'liblz4'],
  floors: {
    'put in batches of 32, C = 1': { atMost: 1.4 },
    'get, C = 1': { atMost: 1.9 },
    'growth of put': { atMost: 1.6 },
    'growth of get': { atMost: 1.6 },
  },
  run,
};

/** Pages of the smallest store, of the one that is compared with C, and of the largest. */
const SCALES: Readonly<Record<Scale, { stores: readonly [number, number, number]; rounds: number; calls: number }>> = {
  full: { stores: [10_000, 100_000, 1_000_000], rounds: 21, calls: 8192 },
  quick: { stores: [10_000, 20_000, 60_000], rounds: 15, calls: 2048 },
};
const COMPARED = 1;

/** As much as the daemon takes by default where there is plenty: it decides the size of segments. */
const CAPACITY_BYTES: number = 8 * 1024 * MIB;

const BATCH = 32;

/** Times that a store is written over before it is measured, at random. */
const OVERWRITES = 2;

type Verb = 'put' | 'put alone' | 'get';
const VERBS: readonly Verb[] = ['put', 'put alone', 'get'];

async function run(scale: Scale): Promise<BenchRun> {
  const { stores, rounds, calls } = SCALES[scale];
  const folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tmem-bench-'));
  const corpus = readFileSync(corpusFile());
  const ours: OurStore[] = [];
  try {
    const program = buildPeer('engine-limit', ['lz4']);
    await using peer = new PeerProcess(program, [corpusFile(), path.join(folder, 'c'), ...stores.map(String)]);
    for (const [number, pages] of stores.entries()) {
      const store = new OurStore(path.join(folder, String(number)), corpus, pages);
      ours.push(store);
      await peer.ask(`fill ${number}`);
      await peer.ask(`put ${number} ${OVERWRITES * pages}`);
      store.fill();
      store.put(OVERWRITES * pages, BATCH);
    }

    const us = (): Record<Verb, number[]> => ({ put: [], 'put alone': [], get: [] });
    const samples = stores.map(() => ({ ours: us(), c: us() }));
    for (let round = -1; round < rounds; round++) {
      for (const verb of VERBS) {
        for (const number of stores.keys()) {
          const [ns] = await peer.ask(`${verb === 'get' ? 'get' : 'put'} ${number} ${calls}`);
          const mine = ours[number]!.timed(verb, calls);
          if (round < 0) continue;
          samples[number]!.c[verb].push(ns! / 1000 / calls);
          samples[number]!.ours[verb].push(mine / calls);
        }
      }
    }

    const compared = samples[COMPARED]!;
    const ratio = (verb: Verb): number => medianRatio(compared.ours[verb], compared.c[verb]);
    const growth = (of: 'ours' | 'c', verb: Verb): number =>
      medianRatio(samples.at(-1)![of][verb], samples[0]![of][verb]);
    const figures: Figure[] = [
      { name: 'put in batches of 32, C = 1', value: ratio('put'), unit: 'x' },
      { name: 'put alone, C = 1', value: ratio('put alone'), unit: 'x' },
      { name: 'get, C = 1', value: ratio('get'), unit: 'x' },
      { name: 'growth of put', value: growth('ours', 'put'), unit: 'x' },
      { name: 'growth of get', value: growth('ours', 'get'), unit: 'x' },
      { name: 'growth of put in C', value: growth('c', 'put'), unit: 'x' },
      { name: 'growth of get in C', value: growth('c', 'get'), unit: 'x' },
    ];
    return {
      setting: [
        `stores of ${stores.join(', ')} pages, overwritten twice at random, then ${rounds} rounds of ${calls} calls each by turns`,
        `compared with C: the store of ${stores[COMPARED]} pages; growth: from the first to the last`,
        `bytes written per put, cleaning included: ${ours.map((store) => Math.round(store.writtenPerPut)).join(', ')}`,
      ],
      figures,
      tables: [
        {
          columns: ['pages', 'verb', 'ours us', 'C us', 'ours least', 'C least'],
          rows: samples.flatMap(({ ours: mine, c }, number) =>
            VERBS.map((verb) => [
              stores[number]!,
              verb,
              median(mine[verb]).toFixed(2),
              median(c[verb]).toFixed(2),
              Math.min(...mine[verb]).toFixed(2),
              Math.min(...c[verb]).toFixed(2),
            ]),
          ),
        },
      ],
    };
  } finally {
    for (const store of ours) store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of values that were measured side by side. */
function medianRatio(of: readonly number[], to: readonly number[]): number {
  return median(of.map((value, round) => value / to[round]!));
}

class OurStore {
  readonly #engine: Engine;
  readonly #kernel: Kernel;
  readonly #object: StoredObject;
  readonly #corpus: Buffer;
  readonly #pages: number;
  readonly #page: Address;
  readonly #prng = seededPrng(1);
  #puts = 0;

  constructor(folder: string, corpus: Buffer, pages: number) {
    this.#kernel = loadKernel({ memoryBytes: 4 * MIB });
    const { engine } = openEngine(this.#kernel, new RealSegmentFiles(folder), {
      segmentBytes: segmentBytesFor(CAPACITY_BYTES),
      capacityBytes: CAPACITY_BYTES,
      arena: { low: 1, high: 2 },
    });
    this.#engine = engine;
    this.#object = engine.createObject(engine.createPool(Buffer.from('bench')), Buffer.from('pages'));
    this.#corpus = corpus;
    this.#pages = pages;
    this.#page = address(this.#kernel.allocate(PAGE_BYTES));
  }

  /** All puts so far, the fill included. */
  get writtenPerPut(): number {
    return this.#engine.writtenBytes / this.#puts;
  }

  fill(): void {
    for (let page = 0; page < this.#pages; page++) {
      this.#putPage(page);
      if (page % BATCH === BATCH - 1) this.#commit();
    }
    this.#commit();
  }

  put(count: number, batch: number): void {
    for (let done = 1; done <= count; done++) {
      this.#putPage(this.#prng.below(this.#pages));
      if (done % batch === 0 || done === count) this.#commit();
    }
  }

  /** @returns us of all calls */
  timed(verb: Verb, calls: number): number {
    const start = performance.now();
    if (verb === 'get') this.#get(calls);
    else this.put(calls, verb === 'put' ? BATCH : 1);
    return (performance.now() - start) * 1000;
  }

  close(): void {
    this.#engine.close();
  }

  #get(count: number): void {
    for (; count > 0; count--) {
      const index = pageIndex(this.#prng.below(this.#pages));
      if (this.#engine.get(this.#object, index, this.#page) !== GetOutcome.hit) throw new Error('a page is missing');
    }
  }

  #putPage(page: number): void {
    const from = ((page * 7919 + this.#puts++) % (this.#corpus.length / PAGE_BYTES)) * PAGE_BYTES;
    this.#corpus.copy(this.#kernel.bytes, this.#page, from, from + PAGE_BYTES);
    const outcome = this.#engine.put(this.#object, pageIndex(page), this.#page);
    if (outcome !== PutOutcome.stored) throw new Error('a page was refused');
  }

  #commit(): void {
    if (this.#engine.commit() !== CommitOutcome.done) throw new Error('a batch was refused');
  }
}
