/**
 * The range tombstones that cleaning has moved, as recovery finds them. In which order they are applied does not matter:
 * each drops what segments before its own hold, and whatever is newer stays. So they are gathered and applied
 * at the end, all of an object's at once, page after page. One after the other they would look at each page once for
 * each of them, and a guest makes as many as it likes over the same pages.
 */
import type { StoreIndex } from './store-index.js';

interface Range {
  readonly first: number;
  readonly end: number;
  /** Covers what stands in segments opened before this generation. */
  readonly asOf: number;
}

export class MovedRanges {
  /** By the object's number. */
  readonly #ranges = new Map<number, Range[]>();

  add(object: number, first: number, count: number, asOf: number): void {
    const range = { first, end: first + count, asOf };
    const ranges = this.#ranges.get(object);
    if (ranges === undefined) return void this.#ranges.set(object, [range]);
    // Mostly it is the whole disk again and again.
    const last = ranges.at(-1)!;
    if (covers(last, range)) return;
    if (covers(range, last)) ranges.pop();
    ranges.push(range);
  }

  /** O(n log n) in the ranges, and once over the pages that they cover. */
  applyTo(index: StoreIndex): void {
    for (const [number, ranges] of this.#ranges) {
      const object = index.objects.get(number);
      if (object === undefined) continue;
      for (const { first, end, asOf } of disjoint(ranges)) index.dropRangeAsOf(object, first, end, asOf);
    }
  }
}

function covers(a: Range, b: Range): boolean {
  return a.first <= b.first && a.end >= b.end && a.asOf >= b.asOf;
}

/** The same as ranges that do not overlap: where several did, the latest holds, which covers all that the others do. */
function* disjoint(ranges: readonly Range[]): Generator<Range> {
  const bounds = [...new Set(ranges.flatMap(({ first, end }) => [first, end]))].toSorted((a, b) => a - b);
  const cellAt = new Map(bounds.map((bound, cell) => [bound, cell]));
  // Of each cell between two bounds, the next one from there on that has no range yet.
  const next = Int32Array.from(bounds.keys());
  const free = (from: number): number => {
    let cell = from;
    while (next[cell] !== cell) cell = next[cell] = next[next[cell]!]!;
    return cell;
  };
  for (const { first, end, asOf } of ranges.toSorted((a, b) => b.asOf - a.asOf)) {
    const last = cellAt.get(end)!;
    for (let cell = free(cellAt.get(first)!); cell < last; cell = free(cell)) {
      yield { first: bounds[cell]!, end: bounds[cell + 1]!, asOf };
      next[cell] = cell + 1;
    }
  }
}
