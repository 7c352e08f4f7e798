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
