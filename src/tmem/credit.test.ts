/** R25, R77 where a guest's pools are in several shards: one cap over all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OBJECT, poolOf } from '../../test/support/small-pool.js';
import { openSmallStore, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { GuestAccount, loanBytesOf } from '../base/guest-account.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { KIB, MIB, CHARGED_BYTES_MAX } from '../base/units.js';
import { ClientCredit } from './client-credit.js';
import { PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

for (const capBytes of [20 * KIB, 300 * KIB, MIB]) {
  test(`over three shards a guest never has more than its cap of ${capBytes / KIB} KiB, and is not refused while much of it idles`, () => {
    const { shards, account, stored } = capped(3, capBytes);
    const prng = seededPrng(capBytes);
    const idleMax = 2 * 2 * loanBytesOf(capBytes) + CHARGED_BYTES_MAX;
    let refused = 0;
    for (let turn = 0; turn < 3000; turn++) {
      const { store, pool } = shards[prng.below(3)]!;
      // Now one shard is filled, now another, and what was full is emptied.
      const flushes = prng.below(100) < (Math.floor(turn / 300) % 2 === 0 ? 10 : 55);
      for (let operations = 1 + prng.below(4); operations > 0; operations--) {
        const index = pageIndex(prng.below(400));
        if (flushes) pool.flushRange(OBJECT, index, 1 + prng.below(8));
        else if (replaced(store, pool, index, turn) === TmemStatus.noSpace) {
          refused++;
          const used = stored() + pool.stored.pendingBytes;
          assert.ok(used >= capBytes - idleMax, `refused with ${used} of ${capBytes} bytes stored`);
        }
      }
      store.tmem.commit();
      pool.owner.settleCredit();
      assert.ok(stored() <= capBytes, `${stored()} of ${capBytes} bytes`);
      const lent = shards.reduce((sum, each) => sum + each.pool.owner.credit!.lentBytes, 0);
      assert.equal(lent + account.leftBytes, capBytes);
    }
    assert.ok(refused > 50, `${refused} puts were refused`);
  });
}

test('what one shard cannot borrow the others repay, to the last byte', () => {
  const { shards, account, stored } = capped(2, MIB);
  const [a, b] = shards;
  assert.equal(replaced(b!.store, b!.pool, 0, 0), TmemStatus.done);
  b!.store.tmem.commit();
  let page = 0;
  while (replaced(a!.store, a!.pool, page, page) === TmemStatus.done) page++;
  a!.store.tmem.commit();
  assert.ok(account.isWanted);
  const idle = b!.pool.owner.credit!.lentBytes - b!.pool.owner.storedBytes;
  assert.ok(idle > 2 * CHARGED_BYTES_MAX);
  b!.pool.owner.settleCredit();
  assert.equal(b!.pool.owner.credit!.lentBytes, b!.pool.owner.storedBytes);
  assert.equal(replaced(a!.store, a!.pool, page, page), TmemStatus.done);
  while (replaced(a!.store, a!.pool, page, page) === TmemStatus.done) page++;
  a!.store.tmem.commit();
  assert.ok(stored() > MIB - CHARGED_BYTES_MAX && stored() <= MIB, `${stored()} bytes`);
});

test('what was flushed is lent to others again', () => {
  const { shards, account } = capped(1, MIB);
  const { store, pool } = shards[0]!;
  for (let page = 0; page < 200; page++) replaced(store, pool, page, page);
  store.tmem.commit();
  assert.ok(account.leftBytes < MIB / 4);
  pool.flushObject(OBJECT);
  store.tmem.commit();
  pool.owner.settleCredit();
  assert.ok(account.leftBytes >= MIB - 2 * loanBytesOf(MIB));
});

test('a cap under what is stored lets nothing grow anywhere, and overwrites go on', () => {
  const { shards, account } = capped(2, MIB);
  for (const { store, pool } of shards) {
    for (let page = 0; page < 40; page++) assert.equal(replaced(store, pool, page, page), TmemStatus.done);
    store.tmem.commit();
  }
  account.charge(MIB - 10 * KIB);
  for (const { pool } of shards) pool.owner.credit!.repay(pool.owner.storedBytes);
  assert.ok(account.leftBytes < 0);
  for (const { store, pool } of shards) {
    assert.equal(replaced(store, pool, 100, 1), TmemStatus.noSpace);
    assert.equal(replaced(store, pool, 7, 7), TmemStatus.done);
    store.tmem.commit();
  }
});

function capped(
  count: number,
  capBytes: number,
): {
  shards: { store: SmallStore; pool: TmemPool }[];
  account: GuestAccount;
  stored: () => number;
} {
  const account = GuestAccount.of(count, 1);
  account.repay(capBytes);
  const shards = Array.from({ length: count }, () => {
    const store = openSmallStore();
    const client = store.tmem.client('vm1');
    client.capBytes = capBytes;
    client.credit = new ClientCredit(new GuestAccount(account.memory), capBytes, client.storedBytes);
    return { store, pool: poolOf(store, client, PERSISTENT_PRIVATE) };
  });
  return {
    shards,
    account,
    stored: () => shards.reduce((sum, { pool }) => sum + pool.owner.storedBytes, 0),
  };
}

/** As a disk does: what is refused leaves the old page. */
function replaced({ kernel, source }: SmallStore, pool: TmemPool, index: number, version: number): TmemStatus {
  writeVersion(kernel, source, version, 'random');
  return pool.replace(OBJECT, pageIndex(index), source);
}
