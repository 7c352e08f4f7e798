import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { seededPrng } from '../base/prng.js';
import { ReuseCurve } from './reuse-curve.js';

const MEMORY_PAGES = 256;

test('the gain is that of the steepest line on the exact curve, when every page is sampled', () => {
  const setting = fc.record({ seed: fc.nat(2 ** 31), pages: fc.integer({ min: 1, max: 600 }), held: fc.nat(500) });
  fc.assert(
    fc.property(setting, ({ seed, pages, held }) => {
      const prng = seededPrng(seed);
      const curve = new ReuseCurve(MEMORY_PAGES, 0, 1);
      const stack: number[] = [];
      const hits = Array.from({ length: 512 }, () => 0);
      const gets = 255;
      for (let get = 0; get < gets; get++) {
        const page = prng.below(pages);
        curve.record(page);
        const distance = stack.indexOf(page);
        if (distance >= 0) {
          stack.splice(distance, 1);
          hits[distance]!++;
        }
        stack.unshift(page);
      }
      curve.look(gets, held);
      // Bins of two pages; a size inside one counts the part above it.
      let best = 0;
      let gained = 0;
      for (let bin = Math.floor(held / 2); bin < 256; bin++) {
        gained += (hits[2 * bin]! + hits[2 * bin + 1]!) * Math.min(1, bin + 1 - held / 2);
        best = Math.max(best, gained / ((bin + 1) * 2 - held));
      }
      assert.ok(Math.abs(curve.gain - 0.5 * best * (MEMORY_PAGES / gets)) < 1e-9);
    }),
    { numRuns: 100 },
  );
});

test('a sample of pages sees a step of the curve from below, and forgets it when the guest is quiet', () => {
  const curve = new ReuseCurve(10_000, 0, 0.1);
  let now = 0;
  const loop = 5000;
  for (; now < 40_000; now++) {
    curve.record(now % loop);
    if (now % 1250 === 0) curve.look(now, 1000);
  }
  // A loop of 5,000 pages, each wanted twice in M gets: 10,000 hits for 4,000 pages more, by half.
  assert.ok(Math.abs(curve.gain - 1.25) < 0.25, String(curve.gain));
  for (let quiet = 0; quiet < 8; quiet++) curve.look((now += 1250), 1000);
  assert.equal(curve.gain, 0);
});

test('a curve remembers no more pages than twice the memory has in the sample, whatever comes', () => {
  const curve = new ReuseCurve(500, 0, 0.5);
  for (let get = 0; get < 20_000; get++) curve.record(get % 5000);
  curve.look(20_000, 0);
  assert.equal(curve.gain, 0, 'pages that come back after ten times the memory bring nothing');
});
