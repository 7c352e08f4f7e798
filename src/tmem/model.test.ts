import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSmallStore, pageAt, pageOf, writeVersion } from '../../test/support/small-store.js';
import { TmemComparison } from '../../test/support/tmem-comparison.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';

const OPERATIONS = Number(process.env['TMEM_MODEL_OPERATIONS'] ?? 60_000);
const SEED = Number(process.env['TMEM_SEED'] ?? 1);

test(`R12-R67: pools of every kind answer as the reference model does, ${OPERATIONS} operations, seed ${SEED}`, (t) => {
  const comparison = new TmemComparison(seededPrng(SEED));
  comparison.run(OPERATIONS);
  t.diagnostic(JSON.stringify(comparison.counts));
  if (OPERATIONS < 50_000) return;
  for (const [what, count] of Object.entries(comparison.counts)) assert.ok(count > 0, what);
});

const KINDS = {
  persistent: { flags: PERSISTENT_PRIVATE, inclusive: false, takes: false },
  destructive: { flags: EPHEMERAL_PRIVATE, inclusive: false, takes: true },
  inclusive: { flags: EPHEMERAL_PRIVATE, inclusive: true, takes: false },
};

for (const [kind, { flags, inclusive, takes }] of Object.entries(KINDS)) {
  test(`R38 put-put-get, R39 put-flush-get, R40 get-get hold in every short sequence of verbs: ${kind}`, () => {
    const store = openSmallStore();
    const client = store.tmem.client('vm1');
    store.tmem.createPool(client, 'p', flags, { inclusive });
    const pool = client.pools[0]!;
    const verbs = ['put', 'flushPage', 'flushObject', 'get', 'commit'] as const;
    const index = pageIndex(3);
    let version = 0;
    for (let code = 0; code < verbs.length ** 5; code++) {
      pool.flushObject(1n);
      store.tmem.commit();
      let expected: number | undefined;
      for (let rest = code, step = 0; step < 5; step++, rest = Math.floor(rest / verbs.length)) {
        const verb = verbs[rest % verbs.length]!;
        if (verb === 'put') {
          expected = ++version;
          writeVersion(store.kernel, store.source, version, 'filled');
          assert.equal(pool.put(1n, index, store.source), TmemStatus.done);
        } else if (verb === 'flushPage') {
          pool.flushPage(1n, index);
          expected = undefined;
        } else if (verb === 'flushObject') {
          pool.flushObject(1n);
          expected = undefined;
        } else if (verb === 'commit') {
          store.tmem.commit();
        } else {
          const found = pool.get(1n, index, store.target);
          assert.equal(found, expected === undefined ? TmemStatus.missing : TmemStatus.done);
          if (expected !== undefined) {
            assert.equal(pageAt(store.kernel, store.target), pageOf(store.kernel, store.source, expected, 'filled'));
          }
          if (takes) expected = undefined;
        }
      }
    }
  });
}
