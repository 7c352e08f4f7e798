import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { objectNumber, poolNumber, segmentSlot } from '../base/ids.js';
import { MovedRanges } from './moved-ranges.js';
import { SegmentTable } from './segment-table.js';
import { StoreIndex } from './store-index.js';
import { type StoredObject, StoredPool } from './stored-object.js';

const PAGES = 40;
const SEGMENTS = 8;

const anyRange = fc.record({
  object: fc.integer({ min: 1, max: 3 }),
  first: fc.nat(PAGES - 1),
  count: fc.integer({ min: 1, max: PAGES }),
  asOf: fc.integer({ min: 0, max: SEGMENTS + 1 }),
});

test('ranges gathered and applied at once drop what each of them drops, in any order', () => {
  fc.assert(
    fc.property(
      fc.array(anyRange, { maxLength: 30 }),
      fc.array(fc.nat(SEGMENTS), { minLength: PAGES, maxLength: PAGES }),
      (ranges, segments) => {
        const [one, two] = [indexOf(segments), indexOf(segments)];
        const moved = new MovedRanges();
        for (const { object, first, count, asOf } of ranges) {
          moved.add(object, first, count, asOf);
          const stored = one.objects.get(object);
          if (stored !== undefined) one.dropRangeAsOf(stored, first, first + count, asOf);
        }
        moved.applyTo(two);
        assert.deepEqual(pagesIn(two), pagesIn(one));
      },
    ),
  );
});

test('as many as a guest likes to make are no more work than there are pages', () => {
  const index = indexOf(Array.from({ length: PAGES }, (_, page) => page % SEGMENTS));
  let looks = 0;
  const drop = index.dropRangeAsOf.bind(index);
  index.dropRangeAsOf = (object: StoredObject, first: number, end: number, generation: number): void => {
    looks += end - first;
    drop(object, first, end, generation);
  };
  const moved = new MovedRanges();
  for (let n = 0; n < 10_000; n++) moved.add(1, n % 7, PAGES - (n % 5) - (n % 7), n % SEGMENTS);
  moved.applyTo(index);
  assert.ok(looks <= PAGES, `${looks} pages looked at`);
});

/** Two objects, 1 and 2, whose pages are in these segments, of generations 1 and up; 0: not stored. */
function indexOf(segments: readonly number[]): StoreIndex {
  const table = new SegmentTable(65_536, SEGMENTS + 1, SEGMENTS + 1);
  for (let slot = 1; slot <= SEGMENTS; slot++) table.addSealed(segmentSlot(slot), slot);
  const index = new StoreIndex(table);
  const pool = new StoredPool(poolNumber(1), new Uint8Array());
  for (const number of [1, 2]) {
    const object = index.add(objectNumber(number), pool, new Uint8Array());
    for (const [page, slot] of segments.entries())
      if (slot > 0) index.store(object, page, table.locationOf(segmentSlot(slot), 128 + 32 * page), 0);
  }
  return index;
}

function pagesIn(index: StoreIndex): string[] {
  return [...index.pages()].map(({ object, index: page }) => `${object.number}/${page}`);
}
