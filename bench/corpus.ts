import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Prng, seededPrng } from '../src/base/prng.js';
import { PAGE_BYTES } from '../src/base/units.js';
import { loadKernel } from '../src/engine/kernel.js';
import { type PageShape, syntheticPage } from '../test/support/synthetic-page.js';
import { cacheFile, PROJECT_FOLDER } from './project-files.js';

/**
 * The pages that benches store: a mix as in a machine under memory pressure, that LZ4 shrinks by 2.2.
 *
 *      fixed share   code (the node program), text (our own sources), tables of pointers and counts, sparse pages,
 *                    zero and same-filled pages, random pages (what was compressed or encrypted before)
 *      the rest      pages of a Node process's heap, as many as bring the whole to the wanted ratio
 *
 * What a ratio of compression says depends on the pages: with zeros enough, every store shines. So the ratio is part
 * of the corpus and is made, whatever version of node the code and the heap come from. The same seed takes the same
 * pages from the same program; only the heap differs a little from run to run, by the addresses in it.
 */

/** What liblz4 is to make of the corpus, within what is published with figures: 2.15 to 2.3. */
const RATIO_WANTED = 2.22;
const HEAP_PAGES_MAX = 5500;

const SYNTHETIC: readonly (readonly [shape: PageShape, pages: number])[] = [
  ['zero', 240],
  ['filled', 40],
  ['sparse', 150],
  ['pointers', 150],
  ['mixed', 100],
  ['random', 320],
];
const CODE_PAGES = 1000;
const TEXT_PAGES_MAX = 250;

export interface CorpusSummary {
  readonly pages: number;
  /** Bytes of pages over bytes of LZ4 blocks, raw pages counting as they are. */
  readonly ratio: number;
}

/** The corpus of this seed, made when it is not there: a file of whole pages, in no order. */
export function corpusFile(seed = 1): string {
  const file = cacheFile(`corpus-${seed}.bin`);
  if (statSync(file, { throwIfNoEntry: false }) === undefined) makeCorpus(file, seed);
  return file;
}

/**
 * Writes a corpus of four to eight thousand pages. Takes some seconds.
 *
 * @throws Error where this machine's node program and heap cannot be mixed to the wanted ratio
 */
export function makeCorpus(file: string, seed: number): CorpusSummary {
  const prng = seededPrng(seed);
  const blockBytes = blockMeter();
  const pages = [...syntheticPages(prng), ...pickPages(codePages(prng), CODE_PAGES, prng), ...textPages()];
  let bytes = pages.reduce((sum, page) => sum + blockBytes(page), 0);
  const ratio = (): number => (pages.length * PAGE_BYTES) / bytes;
  for (const page of pickPages(heapPages(seed), HEAP_PAGES_MAX, prng)) {
    if (ratio() >= RATIO_WANTED) break;
    pages.push(page);
    bytes += blockBytes(page);
  }
  if (Math.abs(ratio() - RATIO_WANTED) > 0.05)
    throw new Error(`the pages found here compress by ${ratio().toFixed(2)}, not by ${RATIO_WANTED}`);
  writeFileSync(`${file}.new`, Buffer.concat(pickPages(pages, pages.length, prng)));
  renameSync(`${file}.new`, file);
  return { pages: pages.length, ratio: ratio() };
}

function syntheticPages(prng: Prng): Buffer[] {
  return SYNTHETIC.flatMap(([shape, pages]) =>
    Array.from({ length: pages }, () => syntheticPage({ shape, seed: prng.below(2 ** 32) })),
  );
}

/** Anywhere in the node program: instructions, read-only data, symbols, and the JavaScript and tables built in. */
function codePages(prng: Prng): Buffer[] {
  const program = openSync(process.execPath, 'r');
  const programPages = Math.floor(statSync(process.execPath).size / PAGE_BYTES);
  const pages = Array.from({ length: 2 * CODE_PAGES }, () => {
    const page = Buffer.alloc(PAGE_BYTES);
    readSync(program, page, 0, PAGE_BYTES, prng.below(programPages) * PAGE_BYTES);
    return page;
  });
  closeSync(program);
  return pages;
}

function textPages(): Buffer[] {
  const files = ['src', 'kernel', 'test', 'bench'].flatMap((folder) =>
    readdirSync(path.join(PROJECT_FOLDER, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|c)$/.test(name))
      .map((name) => path.join(PROJECT_FOLDER, folder, name)),
  );
  return pagesOf(Buffer.concat(files.toSorted().map((file) => readFileSync(file)))).slice(0, TEXT_PAGES_MAX);
}

function heapPages(seed: number): Buffer[] {
  const program = fileURLToPath(new URL('corpus-heap-main.js', import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [program, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 30,
    timeout: 60_000,
  });
  if (status !== 0) throw new Error('the process whose heap the corpus is made of failed');
  return pagesOf(stdout);
}

function pagesOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.floor(bytes.length / PAGE_BYTES) }, (_, page) =>
    bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES),
  );
}

/** So many of the pages, or all, in an order of the prng's. */
function pickPages(from: readonly Buffer[], pages: number, prng: Prng): Buffer[] {
  const left = [...from];
  for (let last = left.length - 1; last > 0; last--) {
    const other = prng.below(last + 1);
    [left[last], left[other]] = [left[other]!, left[last]!];
  }
  return left.slice(0, pages);
}

/** What liblz4 needs of the bytes that our codec takes for the same pages. */
const LIBLZ4_SHARE = 0.979;

/** Bytes of a page's block as liblz4 would make it, near enough. */
function blockMeter(): (page: Buffer) => number {
  const kernel = loadKernel({ memoryBytes: 64 * 1024 });
  const from = kernel.allocate(PAGE_BYTES);
  const to = kernel.allocate(2 * PAGE_BYTES);
  return (page) => {
    kernel.bytes.set(page, from);
    const bytes = kernel.compress(from, to, PAGE_BYTES);
    return bytes === 0 ? PAGE_BYTES : bytes * LIBLZ4_SHARE;
  };
}
