import { mixed } from '../mix.js';

/** {@link GhostTable} in plain words: lists of at most 16, for tests alone. */
export class PlainGhosts {
  #buckets: { key: number; value: number }[][] = Array.from({ length: 16 }, () => []);

  reach(ghosts: number): void {
    while (this.#buckets.length * 16 < ghosts) {
      const all = this.#buckets.flat();
      this.#buckets = Array.from({ length: this.#buckets.length + 1 }, () => []);
      for (const ghost of all) this.#bucket(ghost.key).push(ghost);
    }
  }

  remember(key: number, value: number): void {
    this.take(key);
    const bucket = this.#bucket(key);
    if (bucket.length === 16) bucket.shift();
    bucket.push({ key, value });
  }

  take(key: number): number {
    const bucket = this.#bucket(key);
    const at = bucket.findIndex((ghost) => ghost.key === key);
    return at < 0 ? -1 : bucket.splice(at, 1)[0]!.value;
  }

  #bucket(key: number): { key: number; value: number }[] {
    return this.#buckets[bucketOf(key, this.#buckets.length)]!;
  }
}

/** Linear hashing: modulo the power of two above the number of buckets, or the one below where that is too far. */
export function bucketOf(key: number, buckets: number): number {
  const below = 2 ** Math.floor(Math.log2(buckets));
  const bucket = mixed(key) % (below * 2);
  return bucket < buckets ? bucket : bucket - below;
}
