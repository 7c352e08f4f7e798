/** The judge of concurrent requests: it must find what cannot have happened, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededPrng } from '../../src/base/prng.js';
import { PageHistory } from '../support/page-history.js';

const P = 0;

function history(): PageHistory {
  return new PageHistory(1);
}

test('a read of what was written over before it began is found', () => {
  const pages = history();
  pages.write(P, 1)();
  pages.write(P, 2)();
  pages.read(P, pages.now(), 1);
  assert.throws(() => pages.check(), /^Error: page 0: version \d .* while it held version \d/);
});

test('so is one of what was discarded, and zeros after a write', () => {
  const stale = history();
  stale.write(P, 1)();
  stale.discard(P)();
  stale.read(P, stale.now(), 1);
  assert.throws(() => stale.check(), /while it held/);
  const lost = history();
  lost.write(P, 1)();
  lost.read(P, lost.now(), 0);
  assert.throws(() => lost.check(), /while it held/);
});

test('a read beside a write may return either, but not the old one after the new one', () => {
  for (const [reads, isRight] of [
    [[1, 1, 2], true],
    [[2, 2, 2], true],
    [[2, 1, 2], false],
    [[1, 2, 1], false],
  ] as const) {
    const pages = history();
    pages.write(P, 1)();
    const end = pages.write(P, 2);
    for (const version of reads) pages.read(P, pages.now(), version);
    end();
    if (isRight) pages.check();
    else assert.throws(() => pages.check(), /while it held/, String(reads));
  }
});

test('a write that was cut off has happened or has not, for good', () => {
  for (const [reads, isRight] of [
    [[1, 1], true],
    [[2, 2], true],
    [[1, 2], false],
    [[2, 1], false],
  ] as const) {
    const pages = history();
    pages.write(P, 1)();
    pages.write(P, 2);
    pages.cut();
    for (const version of reads) pages.read(P, pages.now(), version);
    if (isRight) pages.check();
    else assert.throws(() => pages.check(), /while it held/, String(reads));
  }
});

test('what nobody wrote is told at once', () => {
  assert.throws(() => history().read(P, 1, 7), /page 0: version 7 was never written/);
});

for (const staleness of [0, 1]) {
  test(`any order of overlapping requests on one page is ${staleness === 0 ? 'right' : 'found out where reads are one write late'}`, () => {
    let found = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const [pages, prng] = [history(), seededPrng(seed)];
      // Each request takes effect at some moment between its beginning and its end.
      const held = [0];
      const steps: (() => void)[] = [];
      let version = 0;
      for (let n = 0; n < 200; n++) {
        const dice = prng.below(10);
        if (dice < 5 && steps.length < 12) {
          const begun = pages.now();
          let seen = 0;
          steps.push(
            () => (seen = held.at(-1 - staleness) ?? 0),
            () => pages.read(P, begun, seen),
          );
        } else if (dice < 7) {
          const next = dice === 5 && pages.mayDiscard(P) ? 0 : ++version;
          const end = next === 0 ? pages.discard(P) : pages.write(P, next);
          steps.push(() => void held.push(next), end);
        }
        // Pairs of steps; the second only when the first is done.
        const at = 2 * prng.below(Math.max(1, steps.length / 2));
        const [first, second] = [steps[at], steps[at + 1]];
        if (first === undefined || second === undefined) continue;
        first();
        if (prng.below(2) === 0) steps[at] = () => undefined;
        else {
          second();
          steps.splice(at, 2);
        }
      }
      try {
        pages.check();
      } catch {
        found++;
      }
    }
    if (staleness === 0) assert.equal(found, 0);
    else assert.ok(found > 100, `${found} of 200`);
  });
}
