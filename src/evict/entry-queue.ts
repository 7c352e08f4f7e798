/**
 * Pages from the oldest to the youngest, linked through an {@link EntryTable}. Whoever compares queues by what their
 * next page is worth asks for a tail segment: the shortest run of oldest pages that holds the bytes wanted. Gets that
 * find their page there would have missed, had the queue been that much smaller.
 *
 * @hot Every operation of an order is one or two of these: O(1), the tail amortised; no allocation.
 */
import type { EntryTable } from './entry-table.js';

export class EntryQueue {
  readonly #table: EntryTable;
  readonly #number: number;
  #oldest = 0;
  #youngest = 0;
  #pages = 0;
  #bytes = 0;
  #tailLimitBytes = 0;
  /** The youngest page in the tail, 0 when the tail is empty. */
  #tailEnd = 0;
  #tailPages = 0;
  #tailBytes = 0;
  #tailHits = 0;

  /** `number`, 1 to 7, tells the queues of one order apart. */
  constructor(table: EntryTable, number: number) {
    this.#table = table;
    this.#number = number;
  }

  /** 0 of an empty queue. */
  get oldest(): number {
    return this.#oldest;
  }

  get pages(): number {
    return this.#pages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get tailPages(): number {
    return this.#tailPages;
  }

  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** Gets that found their page in the tail, as they are remembered. */
  get tailHits(): number {
    return this.#tailHits;
  }

  /** Gets since the oldest page was last used; 0 of an empty queue. */
  get oldestAge(): number {
    return this.#oldest === 0 ? 0 : this.#table.age(this.#oldest);
  }

  /** The tail is to hold this much, but no more than a quarter of the queue; 0, as at first, is no tail. */
  limitTail(bytes: number): void {
    if (bytes === this.#tailLimitBytes) return;
    this.#tailLimitBytes = bytes;
    this.#fitTail();
  }

  /** Half of the hits in the tail are forgotten. */
  halveTailHits(): void {
    this.#tailHits /= 2;
  }

  /** Appends a page as the youngest. */
  push(entry: number): void {
    const table = this.#table;
    table.setQueue(entry, this.#number);
    table.setYounger(entry, 0);
    table.setOlder(entry, this.#youngest);
    if (this.#youngest === 0) this.#oldest = entry;
    else table.setYounger(this.#youngest, entry);
    this.#youngest = entry;
    this.#pages++;
    this.#bytes += table.bytesOf(entry);
    this.#fitTail();
  }

  remove(entry: number): void {
    this.#unlink(entry);
    this.#fitTail();
  }

  /** A get found the page here; where it stands is not changed. */
  countHit(entry: number): void {
    if (this.#table.inTail(entry)) this.#tailHits++;
    this.#table.touch(entry);
  }

  /** Makes a page the youngest. */
  refresh(entry: number): void {
    if (entry === this.#youngest) return;
    this.#unlink(entry);
    this.push(entry);
  }

  resize(entry: number, bytes: number): void {
    const more = bytes - this.#table.bytesOf(entry);
    this.#table.setBytesOf(entry, bytes);
    this.#bytes += more;
    if (this.#table.inTail(entry)) this.#tailBytes += more;
    this.#fitTail();
  }

  #unlink(entry: number): void {
    const table = this.#table;
    if (table.inTail(entry)) this.#leaveTail(entry);
    const younger = table.younger(entry);
    const older = table.older(entry);
    if (younger === 0) this.#youngest = older;
    else table.setOlder(younger, older);
    if (older === 0) this.#oldest = younger;
    else table.setYounger(older, younger);
    table.setQueue(entry, 0);
    this.#pages--;
    this.#bytes -= table.bytesOf(entry);
  }

  /** Makes the tail what it is by definition, from what it was. */
  #fitTail(): void {
    const wanted = Math.min(this.#tailLimitBytes, this.#bytes / 4);
    while (this.#tailEnd !== 0 && this.#tailBytes - this.#table.bytesOf(this.#tailEnd) >= wanted) {
      this.#leaveTail(this.#tailEnd);
    }
    while (this.#tailBytes < wanted) {
      const next = this.#tailEnd === 0 ? this.#oldest : this.#table.younger(this.#tailEnd);
      this.#table.setInTail(next, true);
      this.#tailEnd = next;
      this.#tailPages++;
      this.#tailBytes += this.#table.bytesOf(next);
    }
  }

  #leaveTail(entry: number): void {
    this.#table.setInTail(entry, false);
    if (entry === this.#tailEnd) this.#tailEnd = this.#table.older(entry);
    this.#tailPages--;
    this.#tailBytes -= this.#table.bytesOf(entry);
  }
}
