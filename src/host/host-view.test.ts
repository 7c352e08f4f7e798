import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ExportStatus, PoolStatus, ShardStatus } from '../base/shard-port.js';
import { exportUri, type HostFacts, statusOf } from './host-view.js';

test('the committed lines of the ledger add up to the budget, whatever is stored', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ephemeral: fc.boolean(), bytes: fc.nat(10_000) })),
      fc.nat(1000),
      fc.nat(10_000),
      (pools, index, savedBytes) => {
        const { ledger } = statusOf(
          facts,
          store({
            arena: { ...emptyArena, capacityBytes: 2 ** 30, metadataBytes: index, savedBytes },
            pools: pools.map(({ ephemeral, bytes }) =>
              pool({ kind: ephemeral ? 'ephemeral' : 'persistent', storedBytes: bytes }),
            ),
          }),
          here,
        );
        const sum = Object.values(ledger.committed).reduce((total: number, bytes: number) => total + bytes, 0);
        assert.equal(sum, ledger.budget_bytes);
        assert.ok(ledger.budget_bytes >= 2 ** 30);
      },
    ),
  );
});

test('a guest of the config without pages is shown, and so are pages without a guest', () => {
  const { guests } = statusOf(
    facts,
    store({
      guests: [{ name: 'old', persistentPages: 2, ephemeralPages: 1, storedBytes: 300, spilledPages: 0, frozen: true }],
    }),
    here,
  );
  assert.deepEqual(
    guests.map(({ name, state, kind, weight, stored_bytes }) => ({ name, state, kind, weight, stored_bytes })),
    [
      { name: 'vm1', state: 'no-driver', kind: 'vm', weight: 100, stored_bytes: 0 },
      { name: 'old', state: 'orphaned', kind: null, weight: null, stored_bytes: 300 },
    ],
  );
});

test('pages of an export that went from a guest that stayed are a warning', () => {
  const { warnings } = statusOf(
    facts,
    store({
      pools: [
        pool({ pages: 1 }),
        pool({ name: 'was', pages: 2, storedBytes: 4096 }),
        pool({ name: 'empty' }),
        pool({ guest: 'old', pages: 3 }),
      ],
    }),
    here,
  );
  assert.deepEqual(warnings, [
    {
      code: 'orphaned-pool',
      text: 'pool vm1/was keeps 2 pages (4 KiB stored) that no export serves: put [guest.vm1.swap.was] back into the config to read them, or give them up with "tmem pool destroy vm1 was"',
    },
  ]);
});

test('warnings of the config and of the store are one list', () => {
  const [config, damage] = ['no-exports', 'damaged-pages'].map((code) => ({ code, text: 'why' }));
  const { warnings } = statusOf({ ...facts, warnings: [config!] }, store({ warnings: [damage!] }), here);
  assert.deepEqual(warnings, [config, damage]);
});

test('spilled pages are told of guests and of exports with a spill file, and their bytes of all, orphans too', () => {
  const guest = { persistentPages: 9, ephemeralPages: 0, storedBytes: 0, frozen: false };
  const spec = facts.guests[0]!.exports[0]!;
  const spilling = { ...facts, guests: [{ ...facts.guests[0]!, exports: [{ ...spec, spill: '/x' }] }] };
  const counted = store({
    guests: [
      { ...guest, name: 'vm1', spilledPages: 3 },
      { ...guest, name: 'old', spilledPages: 4 },
    ],
    exports: [exportStatus({ spilledPages: 3 })],
  });
  const { guests, exports, ledger } = statusOf(spilling, counted, here);
  assert.deepEqual(
    [guests.map(({ spilled_pages: pages }) => pages), exports[0]!.spilled_pages, ledger.spill_bytes],
    [[3, 4], 3, 7 * 4096],
  );
  assert.equal(statusOf(spilling, store({}), here).exports[0]!.spilled_pages, 0);
  const without = statusOf(facts, store({}), here);
  assert.deepEqual([without.exports[0]!.spilled_pages, without.ledger.spill_bytes], [null, 0]);
});

test('the ledger says what is stored: pages that share may be charged more than there is, and are not in it twice', () => {
  const arena = { ...emptyArena, capacityBytes: 1000, liveBytes: 800, contents: 2, savedBytes: 900 };
  const pools = [pool({ storedBytes: 850, sharedPages: 4 }), pool({ name: 't', storedBytes: 850, sharedPages: 4 })];
  const { ledger, arena: shown, pools: listed } = statusOf(facts, store({ arena, pools }), here);
  assert.deepEqual([ledger.committed.persistent, ledger.committed.free, ledger.budget_bytes], [800, 200, 1000]);
  assert.deepEqual([shown.dedup_contents, shown.dedup_saved_bytes], [2, 900]);
  assert.deepEqual(
    listed.map((each) => each.dedup_pages),
    [4, 4],
  );
});

test('an export says in which domain it shares and how many of its pages are shared, those of before it stopped too', () => {
  const spec = facts.guests[0]!.exports[0]!;
  const sharing = { ...facts, guests: [{ ...facts.guests[0]!, exports: [{ ...spec, domain: 'trust tenant' }] }] };
  const stored = store({ exports: [exportStatus({ sharedPages: 3 })] });
  const told = [sharing, facts].map((each) => {
    const { dedup_domain: domain, dedup_pages: pages } = statusOf(each, stored, here).exports[0]!;
    return [domain, pages];
  });
  assert.deepEqual(told, [
    ['trust tenant', 3],
    [null, 3],
  ]);
});

test('an export is named with its guest, and its URI is what libnbd reads', () => {
  const { exports } = statusOf(facts, store({}), here);
  assert.deepEqual(
    exports.map(({ name, uri, size_bytes }) => ({ name, uri, size_bytes })),
    [{ name: 'vm1/s', uri: 'nbd+unix:///vm1/s?socket=/run/tmem/vm1-s.nbd', size_bytes: 4096 }],
  );
  assert.equal(
    exportUri({ guest: 'a', name: 'b', socket: '/run/a b&c.nbd' }),
    'nbd+unix:///a/b?socket=/run/a%20b%26c.nbd',
  );
});

test('what is not built yet is null or empty', () => {
  const { policy, ledger, pools } = statusOf(facts, store({}), here);
  assert.deepEqual(
    Object.values({ ...policy, ...ledger.measured }),
    Array.from({ length: 8 }, () => null),
  );
  assert.deepEqual(pools, []);
});

const emptyArena = {
  capacityBytes: 4096,
  occupiedBytes: 0,
  liveBytes: 0,
  metadataBytes: 0,
  contents: 0,
  savedBytes: 0,
};

const here = { pid: 1, uptimeS: 1, rssBytes: 1 };

const facts: HostFacts = {
  version: '0.1.0',
  arena: { path: '/a', fs: 'tmpfs' },
  guests: [
    {
      name: 'vm1',
      kind: 'vm',
      weight: 100,
      capBytes: null,
      reservationBytes: null,
      exports: [{ guest: 'vm1', name: 's', sizeBytes: 4096, socket: '/run/tmem/vm1-s.nbd', spill: null, domain: null }],
    },
  ],
  warnings: [],
};

function store(changed: Partial<ShardStatus>): ShardStatus {
  return {
    arena: emptyArena,
    recovered: { pages: 0, droppedRecords: 0, seconds: 0 },
    guests: [],
    exports: [],
    pools: [],
    verifyFailures: 0,
    warnings: [],
    ...changed,
  };
}

function exportStatus(changed: Partial<ExportStatus>): ExportStatus {
  return {
    guest: 'vm1',
    name: 's',
    connections: 0,
    storedPages: 0,
    sameFilledPages: 0,
    storedBytes: 0,
    spilledPages: 0,
    sharedPages: 0,
    reads: 0,
    writes: 0,
    trims: 0,
    flushes: 0,
    errors: 0,
    requestTimes: [],
    ...changed,
  };
}

function pool(changed: Partial<PoolStatus>): PoolStatus {
  return {
    id: 0,
    guest: 'vm1',
    name: 's',
    kind: 'persistent',
    shared: false,
    inclusive: true,
    pages: 0,
    sharedPages: 0,
    storedBytes: 0,
    puts: 0,
    putsOk: 0,
    gets: 0,
    getsHit: 0,
    flushes: 0,
    evicted: 0,
    verifyFailures: 0,
    ...changed,
  };
}
