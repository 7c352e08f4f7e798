import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bench, BenchRun } from '../../bench/bench.js';
import { judged, missed, reportText, unmeasured } from '../../bench/report.js';

const bench: Bench = {
  name: 'speed',
  question: 'How fast?',
  needs: [],
  floors: { 'reads, peer = 1': { atLeast: 1 }, 'writes, peer = 1': { atLeast: 1 } },
  run: () => Promise.reject(new Error('not run here')),
};
const reads = { name: 'reads, peer = 1', value: 1, unit: 'x' } as const;
const writes = { name: 'writes, peer = 1', value: 0.9, unit: 'x' } as const;

function report(run: Partial<BenchRun>): ReturnType<typeof judged> {
  return judged(bench, 1, { setting: [], figures: [], ...run });
}

test('a figure below its floor is missed, and one that is no number too', () => {
  assert.deepEqual(missed(report({ figures: [reads, writes] })), ['speed: writes, peer = 1']);
  assert.deepEqual(missed(report({ figures: [{ ...reads, value: Number.NaN }] })), ['speed: reads, peer = 1']);
});

test('a floor without a figure, a peer left out and a bench skipped are unmeasured, each by its name; one excused is not', () => {
  assert.deepEqual(unmeasured(report({ figures: [reads, writes] })), []);
  assert.deepEqual(unmeasured(report({ figures: [reads] })), ['speed: writes, peer = 1']);
  const skippedPeers = ['not here: qemu-nbd'];
  assert.deepEqual(unmeasured(report({ figures: [reads, writes], skippedPeers })), ['speed: not here: qemu-nbd']);
  const excused = { name: 'speed', question: 'How fast?', excused: 'not here: traces' };
  assert.deepEqual([missed(excused), unmeasured(excused)], [[], []]);
  assert.equal(reportText(excused), 'speed: How fast?\n  not measured, not here: traces\n');
  const skipped = { name: 'speed', question: 'How fast?', skipped: 'not here: gcc' };
  assert.deepEqual([missed(skipped), unmeasured(skipped)], [[], ['speed: skipped, not here: gcc']]);
});
