/**
 * A face whose pages may be away and whose room may come later, as over a store that spills: the test decides which pages
 * are away, when each fetch ends and how, and which changes are refused for now.
 *
 * What is damaged in the face below and away here comes back `damaged` or `failed`, if the test says no more than that it
 * ends.
 */
import { assert } from '../../src/base/assert.js';
import { CommitOutcome } from '../../src/base/commit-outcome.js';
import type { Durability } from '../../src/base/durability.js';
import type { Elsewhere, FetchedPage, FetchState } from '../../src/base/elsewhere.js';
import type { Address } from '../../src/base/ids.js';
import { type BlockFace, ReadOutcome, WriteOutcome } from '../../src/hooks/block-face.js';
import type { MemoryFace } from './memory-face.js';

const NOTHING = new Uint8Array();

/** A page on its way, until the test ends it. */
export class Fetch implements FetchedPage {
  readonly page: number;
  state: FetchState = 'coming';
  bytes: Uint8Array = NOTHING;
  isReleased = false;
  readonly #arrived: () => void;
  readonly #onReleased: () => void;

  constructor(page: number, arrived: () => void, onReleased: () => void) {
    this.page = page;
    this.#arrived = arrived;
    this.#onReleased = onReleased;
  }

  release(): void {
    assert(!this.isReleased, 'a fetched page is released once');
    this.isReleased = true;
    this.bytes = NOTHING;
    this.#onReleased();
  }

  become(state: FetchState, bytes: Uint8Array = NOTHING): void {
    const wasComing = this.state === 'coming';
    this.state = state;
    this.bytes = this.isReleased ? NOTHING : bytes;
    if (wasComing) this.#arrived();
  }
}

export class AwayFace implements BlockFace, Elsewhere {
  readonly sizeBytes: number;
  readonly below: MemoryFace;
  readonly elsewhere: Elsewhere = this;
  /** Fetches that have been asked for, ever, and the most that were held at once. */
  fetches = 0;
  heldMax = 0;
  /** Pages asked whether they are away. */
  asked = 0;
  /** Whether a change that would be stored is refused for now. */
  isShort: () => boolean = () => false;
  readonly #away = new Set<number>();
  /** Away until the batch is committed, and again if that fails. */
  readonly #changed = new Set<number>();
  readonly #held = new Set<Fetch>();
  #waiting: (() => void)[] = [];

  constructor(below: MemoryFace) {
    this.below = below;
    this.sizeBytes = below.sizeBytes;
  }

  get durability(): Durability | undefined {
    return this.below.durability;
  }

  /** Those that are not released: on their way, or here. */
  get held(): number {
    return this.#held.size;
  }

  /** Those that the test may end. */
  get coming(): Fetch[] {
    return [...this.#held].filter(({ state }) => state === 'coming');
  }

  get waitingForRoom(): number {
    return this.#waiting.length;
  }

  /** Between batches. Holes stay. */
  sendAway(page: number): void {
    if (!this.below.isHole(page)) this.#away.add(page);
  }

  /** @param state - `gone`: the store has taken it again */
  end(fetch: Fetch, state: 'here' | 'gone' | 'failed' | 'damaged' = 'here'): void {
    if (this.below.damaged.has(fetch.page) && state !== 'failed') fetch.become('damaged');
    else if (state === 'gone') {
      this.#away.delete(fetch.page);
      this.#drop(fetch.page);
    } else fetch.become(state, state === 'here' ? this.below.pageNow(fetch.page) : NOTHING);
  }

  endAll(state: 'here' | 'gone' | 'failed' | 'damaged' = 'here'): void {
    for (const fetch of this.coming) if (fetch.state === 'coming') this.end(fetch, state);
  }

  /** Whoever waits for room is told to try again. */
  resume(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  isAway(page: number): boolean {
    this.asked++;
    return this.#isAway(page);
  }

  fetch(page: number, arrived: () => void): FetchedPage {
    assert(this.#isAway(page), 'what is fetched is away');
    const fetch = new Fetch(page, arrived, () => this.#held.delete(fetch));
    this.fetches++;
    this.#held.add(fetch);
    this.heldMax = Math.max(this.heldMax, this.#held.size);
    return fetch;
  }

  waitForRoom(resume: () => void): void {
    this.#waiting.push(resume);
  }

  readPage(page: number, to: Address): ReadOutcome {
    return this.#isAway(page) ? ReadOutcome.away : this.below.readPage(page, to);
  }

  readPart(page: number, start: number, length: number, to: Address): ReadOutcome {
    return this.#isAway(page) ? ReadOutcome.away : this.below.readPart(page, start, length, to);
  }

  writePage(page: number, from: Address): WriteOutcome {
    return this.#change(page, () => this.below.writePage(page, from));
  }

  writePart(page: number, start: number, length: number, from: Address): WriteOutcome {
    if (this.#isAway(page) && !this.below.full.has(page)) return WriteOutcome.away;
    return this.#change(page, () => this.below.writePart(page, start, length, from));
  }

  zeroPart(page: number, start: number, length: number): WriteOutcome {
    if (this.#isAway(page) && !this.below.full.has(page)) return WriteOutcome.away;
    return this.#change(page, () => this.below.zeroPart(page, start, length));
  }

  flushPages(first: number, count: number): void {
    this.below.flushPages(first, count);
    for (const page of this.#away) if (page >= first && page < first + count) this.#changed.add(page);
  }

  endOfRun(first: number, end: number): number {
    return this.below.endOfRun(first, end);
  }

  isHole(page: number): boolean {
    return this.below.isHole(page);
  }

  commit(): CommitOutcome {
    const outcome = this.below.commit();
    const changed = [...this.#changed];
    this.#changed.clear();
    if (outcome !== CommitOutcome.done) return outcome;
    for (const page of changed) if (this.#away.delete(page)) this.#drop(page);
    return outcome;
  }

  catchUp(): void {}

  #isAway(page: number): boolean {
    return this.#away.has(page) && !this.#changed.has(page);
  }

  #change(page: number, change: () => WriteOutcome): WriteOutcome {
    if (!this.below.full.has(page) && this.isShort()) return WriteOutcome.later;
    const outcome = change();
    if (outcome === WriteOutcome.stored) this.#changed.add(page);
    return outcome;
  }

  /** The page is in the store, or gone from it too. */
  #drop(page: number): void {
    for (const fetch of this.#held) if (fetch.page === page) fetch.become('gone');
  }
}
