import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { GhostTable, NO_GHOST } from './ghost-table.js';
import { PlainGhosts } from './reference/plain-ghosts.js';

const anyStep = fc.oneof(
  fc.record({ what: fc.constant('remember' as const), key: fc.nat(900), value: fc.nat(14) }),
  fc.record({ what: fc.constant('take' as const), key: fc.nat(900) }),
  fc.record({ what: fc.constant('reach' as const), ghosts: fc.nat(2000) }),
);

test('a ghost table says what lists of sixteen say, while it grows', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 900 }), (steps) => {
      const table = new GhostTable();
      const plain = new PlainGhosts();
      for (const step of steps) {
        if (step.what === 'remember') for (const each of [table, plain]) each.remember(step.key, step.value);
        else if (step.what === 'reach') for (const each of [table, plain]) each.reach(step.ghosts);
        else assert.equal(table.take(step.key), plain.take(step.key));
      }
      for (let key = 0; key <= 900; key++) assert.equal(table.take(key), plain.take(key));
    }),
    { numRuns: 60 },
  );
});

test('a table with a quarter more room than the last 10,000 ghosts has nearly nine in ten of them, for 5 bytes each', () => {
  const table = new GhostTable();
  const ghosts = 10_000;
  for (let key = 0; key < 3 * ghosts; key++) {
    table.reach(Math.min(key, ghosts) * 1.25);
    table.remember(key, key % 15);
  }
  assert.ok(table.bytes <= 5 * ghosts + 16 * 1024, `${table.bytes} bytes and more than a chunk too much`);
  let kept = 0;
  for (let key = 2 * ghosts; key < 3 * ghosts; key++) {
    const value = table.take(key);
    if (value === NO_GHOST) continue;
    assert.equal(value, key % 15);
    kept++;
  }
  assert.ok(kept > 0.88 * ghosts, `${kept} of ${ghosts}`);
});

test('a ghost whose key differs in one bit is another', () => {
  const table = new GhostTable();
  table.remember(0x80000000, 3);
  for (let bit = 0; bit < 32; bit++) assert.equal(table.take((0x80000000 ^ (1 << bit)) >>> 0), NO_GHOST);
  assert.equal(table.take(0x80000000), 3);
  assert.equal(table.take(0x80000000), NO_GHOST);
});
