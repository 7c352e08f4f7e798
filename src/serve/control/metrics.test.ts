import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyStatus } from '../../../test/support/control-host.js';
import { metricsText } from './metrics.js';

test('spilled pages are a gauge of each export that has a spill file, and of no other', () => {
  const [disk] = emptyStatus.exports;
  const status = {
    ...emptyStatus,
    exports: [
      { ...disk!, name: 'vm1/a', spilled_pages: 3 },
      { ...disk!, name: 'vm1/b', spilled_pages: null },
      { ...disk!, name: 'vm1/c', spilled_pages: 0 },
    ],
  };
  const lines = metricsText({ status, requestTimes: [], verifyFailures: 0 }).split('\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('tmem_spilled_pages')),
    ['tmem_spilled_pages{export="vm1/a"} 3', 'tmem_spilled_pages{export="vm1/c"} 0'],
  );
});

test('what sharing saves is a gauge of the store, and comes off the ledger, where an export shares and nowhere else', () => {
  const [disk] = emptyStatus.exports;
  const status = {
    ...emptyStatus,
    arena: { ...emptyStatus.arena, dedup_contents: 2, dedup_saved_bytes: 900 },
    exports: [
      { ...disk!, name: 'vm1/a', dedup_domain: 'trust t', dedup_pages: 4 },
      { ...disk!, name: 'vm1/b', dedup_pages: 1 },
      { ...disk!, name: 'vm1/c' },
    ],
  };
  const lines = (of: typeof status): string[] =>
    metricsText({ status: of, requestTimes: [], verifyFailures: 0 })
      .split('\n')
      .filter((line) => /^tmem_dedup|line="saved"/.test(line));
  assert.deepEqual(lines(status), [
    'tmem_dedup_pages{export="vm1/a"} 4',
    'tmem_dedup_pages{export="vm1/b"} 1',
    'tmem_dedup_contents 2',
    'tmem_dedup_saved_bytes 900',
    'tmem_ledger_bytes{line="saved"} -900',
  ]);
  assert.deepEqual(lines({ ...status, arena: emptyStatus.arena, exports: [disk!] }), []);
});
