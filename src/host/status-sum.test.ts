import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestStatus, PoolStatus, ShardStatus } from '../base/shard-port.js';
import { sumOfStatuses } from './status-sum.js';

test('one shard alone is what it says', () => {
  const status = shard({ guests: [guest('a', 3)], pools: [pool('a', 0), pool('a', 1)] });
  assert.deepEqual(sumOfStatuses([status], 1000), status);
});

test('several are one store: sums, a guest once, the capacity of all, pools under numbers of their own', () => {
  const sum = sumOfStatuses(
    [
      shard({ guests: [guest('a', 3), guest('b', 1)], pools: [pool('a', 0), pool('b', 0)] }),
      shard({ guests: [{ ...guest('a', 4), frozen: true }], pools: [pool('a', 0)] }),
      shard({
        arena: { capacityBytes: 300, occupiedBytes: 5, liveBytes: 4, metadataBytes: 3, contents: 2, savedBytes: 1 },
      }),
    ],
    1000,
  );
  assert.deepEqual(sum.arena, {
    capacityBytes: 1000,
    occupiedBytes: 205,
    liveBytes: 104,
    metadataBytes: 23,
    contents: 10,
    savedBytes: 15,
  });
  assert.deepEqual(sum.recovered, { pages: 21, droppedRecords: 6, seconds: 0.5 });
  assert.deepEqual(sum.guests, [{ ...guest('a', 7), storedBytes: 700, spilledPages: 14, frozen: true }, guest('b', 1)]);
  assert.deepEqual(
    sum.pools.map(({ guest: owner, id }) => [owner, id]),
    [
      ['a', 0],
      ['b', 0],
      ['a', 1],
    ],
  );
  assert.equal(sum.verifyFailures, 3);
  assert.equal(sum.warnings.length, 3);
});

test('shards whose files are too small for the capacity say so together as well', () => {
  assert.equal(sumOfStatuses([shard({}), shard({})], 5000).arena.capacityBytes, 2000);
});

function shard(changed: Partial<ShardStatus>): ShardStatus {
  return {
    arena: { capacityBytes: 1000, occupiedBytes: 100, liveBytes: 50, metadataBytes: 10, contents: 4, savedBytes: 7 },
    recovered: { pages: 7, droppedRecords: 2, seconds: 0.5 },
    guests: [],
    exports: [],
    pools: [],
    verifyFailures: 1,
    warnings: [{ code: 'a', text: 'b' }],
    ...changed,
  };
}

function guest(name: string, pages: number): GuestStatus {
  const storedBytes = pages * 100;
  return { name, persistentPages: pages, ephemeralPages: 0, storedBytes, spilledPages: pages * 2, frozen: false };
}

function pool(owner: string, id: number): PoolStatus {
  return {
    id,
    guest: owner,
    name: `p${id}`,
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
  };
}
