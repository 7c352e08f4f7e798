import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { EntryQueue } from './entry-queue.js';
import { EntryTable } from './entry-table.js';

const anyStep = fc.record({
  what: fc.constantFrom('push', 'remove', 'refresh', 'resize', 'hit', 'limit'),
  entry: fc.integer({ min: 1, max: 40 }),
  bytes: fc.nat(4160),
  limit: fc.oneof(fc.constant(0), fc.nat(40_000)),
});

test('the tail of a queue is the shortest run of oldest pages with the bytes wanted, and hits in it are counted', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
      const table = new EntryTable();
      const queue = new EntryQueue(table, 3);
      const model: { entry: number; bytes: number }[] = [];
      let limit = 0;
      let hits = 0;
      for (const { what, entry, bytes, limit: wanted } of steps) {
        const at = model.findIndex((page) => page.entry === entry);
        if (what === 'limit') queue.limitTail((limit = wanted));
        else if (at < 0) {
          if (what !== 'push') continue;
          table.occupy(entry, 0, bytes);
          queue.push(entry);
          model.push({ entry, bytes });
        } else if (what === 'remove') {
          queue.remove(entry);
          model.splice(at, 1);
        } else if (what === 'refresh') {
          queue.refresh(entry);
          model.push(...model.splice(at, 1));
        } else if (what === 'resize') {
          queue.resize(entry, bytes);
          model[at]!.bytes = bytes;
        } else if (what === 'hit') {
          queue.countHit(entry);
          if (at < tailOf(model, limit).length) hits++;
        }
        const tail = tailOf(model, limit);
        assert.equal(queue.oldest, model[0]?.entry ?? 0);
        assert.deepEqual([queue.pages, queue.bytes], [model.length, sumOf(model)]);
        assert.deepEqual([queue.tailPages, queue.tailBytes, queue.tailHits], [tail.length, sumOf(tail), hits]);
        assert.deepEqual(
          model.map((page) => table.inTail(page.entry)),
          model.map((_, place) => place < tail.length),
        );
      }
    }),
    { numRuns: 400 },
  );
});

test('the age of a queue is that of its oldest page, in gets since it was last used', () => {
  const table = new EntryTable();
  const queue = new EntryQueue(table, 1);
  assert.equal(queue.oldestAge, 0);
  table.occupy(1, 0, 10);
  queue.push(1);
  for (let count = 0; count < 5; count++) table.countGet();
  assert.equal(queue.oldestAge, 5);
  queue.countHit(1);
  assert.equal(queue.oldestAge, 0);
});

function tailOf<Page extends { readonly bytes: number }>(pages: readonly Page[], limit: number): Page[] {
  const wanted = Math.min(limit, sumOf(pages) / 4);
  const tail: Page[] = [];
  while (sumOf(tail) < wanted) tail.push(pages[tail.length]!);
  return tail;
}

function sumOf(pages: readonly { readonly bytes: number }[]): number {
  return pages.reduce((sum, { bytes }) => sum + bytes, 0);
}
