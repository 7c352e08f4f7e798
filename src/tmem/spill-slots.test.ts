import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SpillSlots } from './spill-slots.js';

test('the lowest free slot is given out, whatever was taken, claimed and given back', () => {
  const operation = fc.record({ takes: fc.boolean(), which: fc.nat() });
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(5000)), fc.array(operation, { maxLength: 400 }), (claimed, operations) => {
      const slots = new SpillSlots();
      const used = new Set(claimed);
      for (const slot of claimed) slots.claim(slot);
      for (const { takes, which } of operations) {
        if (takes || used.size === 0) {
          let lowest = 0;
          while (used.has(lowest)) lowest++;
          assert.equal(slots.take(), lowest);
          used.add(lowest);
        } else {
          const slot = [...used][which % used.size]!;
          slots.give(slot);
          used.delete(slot);
        }
        assert.equal(slots.used, used.size);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('a slot has one page', () => {
  const slots = new SpillSlots();
  slots.claim(7);
  assert.throws(() => slots.claim(7), /slot 7 has one page/);
  assert.throws(() => slots.give(8), /slot 8 is in use/);
});
