/**
 * What a guest would gain from more memory: reuse distances of a sample of its pages, by key, as the sensor of SHARDS
 * (Waldspurger et al. 2015) takes them, in a histogram that is halved every M gets. From it comes the steepest line
 * from the size that the guest has to any larger one, so that a step far up is seen from below.
 *
 * About 60 bytes for each sampled page; the sample is a hundredth.
 */
import { mixed } from './mix.js';

export class ReuseCurve {
  readonly #memoryPages: number;
  readonly #threshold: number;
  readonly #share: number;
  readonly #pagesPerBin: number;
  /** Hits by reuse distance in sampled pages, scaled to all. */
  readonly #hits = new Float64Array(BINS);
  /** Place of each sampled page's last get, in the order of these gets. */
  readonly #places = new Map<number, number>();
  readonly #trackedMax: number;
  /** A Fenwick tree over places: how many of the pages were last seen at or before. */
  readonly #tree: Uint32Array;
  #nextPlace = 0;
  /** Gets of the guest, all and since the last look, and M gets of all guests in the histogram; the first and last halve. */
  #gets = 0;
  #recent = 0;
  #weight = 0;
  #lookedAt: number;
  #sinceHalving = 0;
  #gain = 0;

  /** `memoryPages` is M, `now` the gets counted so far, `share` of pages are sampled. */
  constructor(memoryPages: number, now: number, share: number = SAMPLE_SHARE) {
    this.#memoryPages = Math.max(1, memoryPages);
    this.#share = share;
    this.#threshold = Math.floor(share * 2 ** 32);
    this.#pagesPerBin = (this.#memoryPages * REACH) / BINS;
    this.#trackedMax = Math.max(64, Math.ceil(this.#memoryPages * REACH * share));
    this.#tree = new Uint32Array(2 ** Math.ceil(Math.log2(this.#trackedMax * 4)) + 1);
    this.#lookedAt = now;
  }

  /** Hits a page would bring in M gets on the way to the best larger size, by half, less where the guest is quieter. */
  get gain(): number {
    return this.#gain;
  }

  /** A get of the guest, whatever it found. O(1); of a sampled page O(log sampled). */
  record(key: number): void {
    this.#gets++;
    this.#recent++;
    if (mixed(key) >= this.#threshold) return;
    const place = this.#places.get(key);
    if (place !== undefined) {
      const since = this.#places.size - this.#countUpTo(place);
      const bin = Math.floor(since / this.#share / this.#pagesPerBin);
      if (bin < BINS) this.#hits[bin]! += 1 / this.#share;
      this.#mark(place, -1);
      this.#places.delete(key);
    } else if (this.#places.size === this.#trackedMax) {
      const [oldest, itsPlace] = this.#places.entries().next().value!;
      this.#places.delete(oldest);
      this.#mark(itsPlace, -1);
    }
    if (this.#nextPlace === this.#tree.length - 1) this.#closeRanks();
    this.#places.set(key, this.#nextPlace);
    this.#mark(this.#nextPlace++, 1);
  }

  /** Works out {@link ReuseCurve.gain} for a guest that holds so many pages now. O(bins); for each M/8 gets or so. */
  look(now: number, heldPages: number): void {
    const passed = ((now - this.#lookedAt) >>> 0) / this.#memoryPages;
    if (passed === 0) return;
    this.#lookedAt = now;
    this.#weight += passed;
    this.#sinceHalving += passed;
    const recent = this.#recent / passed;
    const usual = this.#gets / this.#weight;
    const activity = usual === 0 ? 0 : Math.min(1, recent / usual);
    this.#recent = 0;
    this.#gain = WORTH * this.#steepest(heldPages) * activity ** 2;
    for (; this.#sinceHalving >= 1; this.#sinceHalving--) this.#halve();
  }

  /** Hits gained for each page more, from so many pages to the larger size where that is most. */
  #steepest(pages: number): number {
    // A step that the sample puts a little too low must not be taken for one that is behind the guest already.
    const error = Math.min(ERROR_MAX, DEVIATIONS * Math.sqrt((1 - this.#share) / Math.max(1, pages * this.#share)));
    const from = (pages * (1 - error)) / this.#pagesPerBin;
    let gained = 0;
    let best = 0;
    for (let bin = Math.floor(from); bin < BINS; bin++) {
      // Of the bin that the size lies in, what is above it.
      gained += (this.#hits[bin]! / this.#weight) * Math.min(1, bin + 1 - from);
      best = Math.max(best, gained / ((bin + 1 - from) * this.#pagesPerBin));
    }
    return best;
  }

  #halve(): void {
    for (let bin = 0; bin < BINS; bin++) this.#hits[bin]! /= 2;
    this.#gets /= 2;
    this.#weight /= 2;
  }

  /** Numbers places anew, without the gaps that pages seen again have left. */
  #closeRanks(): void {
    this.#tree.fill(0);
    this.#nextPlace = 0;
    for (const key of this.#places.keys()) {
      this.#places.set(key, this.#nextPlace);
      this.#mark(this.#nextPlace++, 1);
    }
  }

  #mark(place: number, by: 1 | -1): void {
    for (let at = place + 1; at < this.#tree.length; at += at & -at) this.#tree[at]! += by;
  }

  #countUpTo(place: number): number {
    let count = 0;
    for (let at = place + 1; at > 0; at -= at & -at) count += this.#tree[at]!;
    return count;
  }
}

/** Of pages. */
const SAMPLE_SHARE = 0.01;
/** Sizes up to this many times the memory are looked at. */
const REACH = 2;
const BINS = 256;
/** How far a reuse distance may be off, in standard deviations of the number of sampled pages; but no more than half. */
const DEVIATIONS = 2;
const ERROR_MAX = 0.5;
/** A gain that is only foreseen counts half of one that is seen. */
const WORTH = 0.5;
