import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyStatus } from '../../test/support/control-host.js';
import { statusScreen } from './status.js';
import { exportTable } from './status-tables.js';

const [disk] = emptyStatus.exports;

test('what is shared is a part of the screen where an export shares, and only there', () => {
  const sharing = {
    ...emptyStatus,
    arena: { ...emptyStatus.arena, dedup_contents: 2, dedup_saved_bytes: 8192 },
    exports: [{ ...disk!, dedup_domain: 'trust tenant', dedup_pages: 3 }, disk!],
  };
  const screen = statusScreen(sharing);
  assert.match(screen, /^ARENA .* INDEX +SAVED$/m);
  assert.match(screen, /^\/a .* 8KiB$/m);
  assert.match(screen, /^EXPORT .* ERRORS +SHARED +DOMAIN$/m);
  assert.doesNotMatch(statusScreen(emptyStatus), /SAVED|SHARED|DOMAIN/);
});

test('a domain is one word, an export without one has none, and what it shared before is told', () => {
  const rows = exportTable([
    { ...disk!, dedup_domain: 'trust tenant', dedup_pages: 3 },
    { ...disk!, dedup_pages: 2 },
    disk!,
  ]).split('\n');
  const ends = rows.map((row) => row.split(/ +/).slice(-2));
  assert.deepEqual(ends.slice(0, 4), [
    ['SHARED', 'DOMAIN'],
    ['3', 'trust:tenant'],
    ['2', '-'],
    ['0', '-'],
  ]);
});
