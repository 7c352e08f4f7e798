import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PageSlab } from './page-slab.js';
import { NO_CELL, PageTable } from './page-table.js';

/** Close together, far apart, and at the edges of leaves, levels and the whole range. */
const anyIndex = fc.oneof(
  fc.nat(300),
  fc.nat(2 ** 32 - 1),
  fc.constantFrom(0, 63, 64, 4095, 4096, 2 ** 18 - 1, 2 ** 18, 2 ** 24, 2 ** 30, 2 ** 31, 2 ** 32 - 1),
);

const anyOperation = fc.oneof(
  fc.record({ what: fc.constant('set' as const), index: anyIndex, word: fc.nat(8191) }),
  fc.record({ what: fc.constant('clear' as const), index: anyIndex }),
  fc.record({ what: fc.constant('touch' as const), index: anyIndex }),
  fc.record({ what: fc.constant('find' as const), index: anyIndex }),
  fc.record({ what: fc.constant('range' as const), index: anyIndex, count: fc.oneof(fc.nat(200), fc.nat(2 ** 32)) }),
);

test('a page table says what a map says, at any indices, and walks them in order', () => {
  fc.assert(
    fc.property(fc.array(anyOperation, { maxLength: 120 }), (operations) => {
      const slab = new PageSlab();
      const table = new PageTable(slab);
      const model = new Map<number, number>();
      for (const operation of operations) {
        const { index } = operation;
        if (operation.what === 'set') {
          const cell = table.reach(index);
          if (slab.location(cell) === 0) table.occupy(cell, locationOf(index), operation.word);
          else slab.set(cell, locationOf(index), operation.word);
          model.set(index, operation.word);
        } else if (operation.what === 'clear') {
          const cell = table.find(index);
          if (cell !== NO_CELL && slab.location(cell) !== 0) table.vacate(index, cell);
          model.delete(index);
        } else if (operation.what === 'touch') {
          // What a put does that is then refused.
          table.reach(index);
          table.prune(index);
        } else if (operation.what === 'find') {
          assert.equal(wordOf(table, slab, index), model.get(index));
        } else {
          const end = Math.min(2 ** 32, index + operation.count);
          const present = [...model.keys()].filter((each) => each >= index && each < end).toSorted((a, b) => a - b);
          assert.equal(table.nextPresent(index, end), present[0] ?? end);
          let absent = index;
          while (absent < end && model.has(absent)) absent++;
          assert.equal(table.nextAbsent(index, end), absent);
        }
      }
      assert.deepEqual(
        walk(table, 2 ** 32),
        [...model.keys()].toSorted((a, b) => a - b),
      );
      for (const [index, word] of model) assert.equal(wordOf(table, slab, index), word);
    }),
    { numRuns: 400 },
  );
});

test('a table that is emptied gives every leaf and node back to the slab, clean', () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyIndex, { minLength: 1, maxLength: 60 }), (indices) => {
      const slab = new PageSlab();
      const fill = (table: PageTable): void => {
        for (const index of indices) {
          const cell = table.reach(index);
          assert.deepEqual([slab.location(cell), slab.word(cell)], [0, 0], 'a new cell is empty');
          // The index cannot be marked as changed by a batch, and then not change, without leaving a trace.
          slab.setWord(cell, 0x4000);
          table.occupy(cell, locationOf(index), 7);
        }
      };
      const first = new PageTable(slab);
      fill(first);
      const { bytes } = slab;
      for (const index of indices) first.vacate(index, first.find(index));
      assert.deepEqual(walk(first, 2 ** 32), []);
      for (const index of indices) assert.equal(first.find(index), NO_CELL);
      const second = new PageTable(slab);
      fill(second);
      for (const index of indices) second.vacate(index, second.find(index));
      // A few bytes of the lists of what is free may come on top.
      assert.ok(slab.bytes <= bytes + 16 * 6 * indices.length, `${slab.bytes} bytes after ${bytes}`);
    }),
  );
});

test('a marked entry in a leaf without pages does not keep the mark when the leaf is used again', () => {
  const slab = new PageSlab();
  const table = new PageTable(slab);
  slab.setWord(table.reach(5), 0x4000);
  table.prune(5);
  const cell = table.reach(5);
  assert.deepEqual([slab.location(cell), slab.word(cell)], [0, 0]);
});

test('two tables on one slab do not see each other', () => {
  const slab = new PageSlab();
  const [a, b] = [new PageTable(slab), new PageTable(slab)];
  for (let index = 0; index < 300; index += 2) a.occupy(a.reach(index), index + 1, 0);
  for (let index = 1; index < 300; index += 2) b.occupy(b.reach(index), index + 1, 0);
  assert.deepEqual(
    walk(a, 300).map((index) => index % 2),
    Array.from({ length: 150 }, () => 0),
  );
  assert.deepEqual(
    walk(b, 300).map((index) => index % 2),
    Array.from({ length: 150 }, () => 1),
  );
});

test('a dense disk costs less than nine bytes a page, a lone page at the far end some kilobytes', () => {
  const pages = 100_000;
  const dense = new PageSlab();
  const disk = new PageTable(dense);
  for (let index = 0; index < pages; index++) disk.occupy(disk.reach(index), index + 1, 0);
  assert.ok(dense.bytes < 9 * pages, `${dense.bytes / pages} bytes a page`);
  const sparse = new PageSlab();
  const lone = new PageTable(sparse);
  lone.occupy(lone.reach(2 ** 32 - 1), 1, 0);
  assert.ok(sparse.bytes < 64 * 1024);
  assert.deepEqual(walk(lone, 2 ** 32), [2 ** 32 - 1]);
});

/** Any but 0, which is no page. */
function locationOf(index: number): number {
  return 1 + (index % 1000);
}

function wordOf(table: PageTable, slab: PageSlab, index: number): number | undefined {
  const cell = table.find(index);
  return cell === NO_CELL || slab.location(cell) === 0 ? undefined : slab.word(cell);
}

function walk(table: PageTable, end: number): number[] {
  const found = [];
  for (let index = table.nextPresent(0, end); index < end; index = table.nextPresent(index + 1, end)) found.push(index);
  return found;
}
