import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AssertionError } from '../base/assert.js';
import { segmentSlot } from '../base/ids.js';
import { MIB } from '../base/units.js';
import { SegmentTable } from './segment-table.js';

const [ZERO, ONE, TWO] = [segmentSlot(0), segmentSlot(1), segmentSlot(2)];

test('a location is a slot and an offset, up to 64 GiB', () => {
  fc.assert(
    fc.property(fc.constantFrom(32_768, MIB, 8 * MIB), fc.nat(), fc.nat(), (segmentBytes, slotSeed, offsetSeed) => {
      const slots = (64 * 1024 * MIB) / segmentBytes;
      const table = new SegmentTable(segmentBytes, 4, 4);
      const slot = segmentSlot(slotSeed % slots);
      const offset = 16 * (offsetSeed % (segmentBytes / 16));
      const location = table.locationOf(slot, offset);
      assert.ok(location >= 0 && location < 2 ** 32);
      assert.deepEqual([table.slotOf(location), table.offsetOf(location)], [slot, offset]);
    }),
  );
});

test('a segment goes from absent over free, open and sealed to free again, and no other way', () => {
  const table = new SegmentTable(MIB, 3, 3);
  assert.equal(table.absentSlot(), 0);
  table.addFree(ZERO);
  assert.deepEqual([table.files, table.freeFiles], [1, 1]);
  assert.equal(table.takeFree(10), ZERO);
  assert.throws(() => table.gone(ZERO), AssertionError);
  table.seal(ZERO);
  assert.throws(() => table.seal(ZERO), AssertionError);
  table.addLive(ZERO, 64);
  assert.throws(() => table.release(ZERO), AssertionError, 'live records are not given up');
  table.addLive(ZERO, -64);
  table.release(ZERO);
  assert.deepEqual([table.freeFiles, table.generationOf(ZERO)], [1, 0]);
  assert.equal(table.takeLeaving(), ZERO);
  assert.deepEqual([table.files, table.filesKept, table.freeFiles], [1, 0, 0]);
  table.gone(ZERO);
  assert.equal(table.files, 0);
  assert.equal(table.takeFree(11), undefined);
});

test('there is no absent slot once there are as many files as the capacity allows, those on their way out included', () => {
  const table = new SegmentTable(MIB, 2, 5);
  table.addFree(ZERO);
  table.addLeaving(ONE);
  assert.equal(table.absentSlot(), undefined);
  table.gone(ONE);
  assert.equal(table.absentSlot(), 1);
});

test('the cheapest segment is the sealed one with the least to keep, if it frees enough', () => {
  const table = threeSealed();
  table.addLive(ZERO, 1000);
  table.addLive(ONE, 500);
  table.addTombstone(ONE, 600);
  table.addLive(TWO, 2000);
  assert.equal(table.cheapest(1), ZERO);
  table.addLive(ONE, -200);
  assert.equal(table.cheapest(1), ONE);
  assert.equal(table.cheapest(MIB - 900), ONE);
  assert.equal(table.cheapest(MIB - 899), undefined);
});

test('tombstones die with the oldest segment, and not while one before it has records', () => {
  const table = threeSealed();
  table.addTombstone(ONE, 32);
  table.buryOldTombstones();
  assert.equal(table.tombstoneBytes, 32);
  assert.deepEqual([table.oldest(), table.oldestGeneration()], [ZERO, table.generationOf(ZERO)]);
  table.release(ZERO);
  table.buryOldTombstones();
  assert.equal(table.tombstoneBytes, 0);
});

test('a segment that was set aside is no victim, and keeps younger tombstones alive', () => {
  const table = threeSealed();
  table.setAside(ZERO);
  table.addTombstone(ONE, 32);
  assert.deepEqual([table.cheapest(MIB), table.oldest(), table.filesAside], [TWO, ONE, 1]);
  table.buryOldTombstones();
  assert.equal(table.tombstoneBytes, 32);
  assert.deepEqual(
    table.inUse().map(({ slot }) => slot),
    [TWO, ONE, ZERO],
  );
});

/** Opened in the order of their slots. */
function threeSealed(): SegmentTable {
  const table = new SegmentTable(MIB, 3, 3);
  for (const slot of [ZERO, ONE, TWO]) table.addSealed(slot, 10 + slot);
  return table;
}
