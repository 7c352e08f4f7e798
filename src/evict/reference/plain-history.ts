import { mixed } from '../mix.js';
import { bucketOf } from './plain-ghosts.js';

/** {@link FrequencyHistory} in plain words: lists of at most 16, for tests alone. */
export class PlainHistory {
  readonly #samplePerPage: number;
  readonly #buckets: { tag: number; count: number }[][] = [[]];
  #pages = 2;
  #turn = 0;
  #hand = 0;

  constructor(samplePerPage: number) {
    this.#samplePerPage = samplePerPage;
  }

  reach(pages: number): void {
    this.#pages = Math.max(2, pages);
    while (this.#buckets.length * 2 < pages) {
      const made = this.#buckets.length;
      const copied = made - 2 ** Math.floor(Math.log2(made));
      this.#buckets.push(this.#buckets[copied]!.map(({ tag, count }) => ({ tag, count })));
    }
  }

  record(key: number): void {
    const bucket = this.#buckets[bucketOf(key, this.#buckets.length)]!;
    const tag = tagOf(key);
    const at = bucket.findIndex((counter) => counter.tag === tag);
    const before = at < 0 ? 0 : bucket.splice(at, 1)[0]!.count;
    if (bucket.length === 16) {
      const least = Math.min(...bucket.map(({ count }) => count));
      bucket.splice(
        bucket.findIndex(({ count }) => count === least),
        1,
      );
    }
    bucket.push({ tag, count: Math.min(15, before + 1) });
    this.#turn += this.#buckets.length;
    for (; this.#turn >= this.#samplePerPage * this.#pages; this.#turn -= this.#samplePerPage * this.#pages) {
      this.#halveNext();
    }
  }

  estimate(key: number): number {
    const bucket = this.#buckets[bucketOf(key, this.#buckets.length)]!;
    return bucket.find((counter) => counter.tag === tagOf(key))?.count ?? 0;
  }

  #halveNext(): void {
    const halved = this.#buckets[this.#hand]!.map(({ tag, count }) => ({ tag, count: Math.floor(count / 2) }));
    this.#buckets[this.#hand] = halved.filter(({ count }) => count > 0);
    this.#hand = (this.#hand + 1) % this.#buckets.length;
  }
}

/** The upper 12 of 32 bits. */
function tagOf(key: number): number {
  return Math.floor(mixed(key) / 2 ** 20);
}
