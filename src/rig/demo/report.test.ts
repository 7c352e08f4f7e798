import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demoFailure, type DemoGuestReport, type DemoReport } from './report.js';

test('a demo succeeds when every guest is right and has swapped after the kill', () => {
  assert.equal(demoFailure(report()), undefined);
});

for (const [what, change, why] of [
  ['a wrong page', { bad: 1 }, /^vm2 found 1 wrong pages$/],
  ['a count of wrong pages that is missing', { bad: NaN }, /^vm2 found NaN wrong pages$/],
  ['nothing verified', { pages_verified: 0 }, /^vm2 has verified nothing$/],
  ['nothing swapped in after the kill', { swap_ins_after_kill: 0 }, /^vm2 has swapped nothing in after the kill$/],
  ['a count of swap-ins that is missing', { swap_ins_after_kill: NaN }, /^vm2 has swapped nothing in/],
  ['a daemon that nobody has read', { reads_after_kill: 0 }, /not read by vm2 after the kill$/],
] as const) {
  test(`${what} of one guest is a failure`, () => {
    assert.match(demoFailure(report(change)) ?? '', why);
  });
}

test('without a guest or without a kill nothing was shown', () => {
  assert.match(demoFailure({ ...report(), guests: [] }) ?? '', /^no guest/);
  assert.match(demoFailure({ ...report(), kills: [] }) ?? '', /was not killed/);
});

function report(change: Partial<DemoGuestReport> = {}): DemoReport {
  const guest = { rounds: 2, pages_verified: 50_000, bad: 0, swap_ins: 40_000 };
  const after = { swap_ins_after_kill: 20_000, reads_after_kill: 9000 };
  return {
    v: 1,
    guests: [
      { name: 'vm1', ...guest, ...after },
      { name: 'vm2', ...guest, ...after, ...change },
    ],
    kills: [{ at_s: 30, down_s: 2.4, in_flight: 2 }],
    spills: [],
    peak: { stored_pages: 50_000, stored_bytes: 100_000_000 },
  };
}
