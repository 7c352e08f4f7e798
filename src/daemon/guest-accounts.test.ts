import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestAccount } from '../base/guest-account.js';
import { type GuestLimits } from '../base/shard-port.js';
import { GuestAccounts } from './guest-accounts.js';

test('a guest without limits needs no account', () => {
  assert.equal(new GuestAccounts(2).set(limits({})).account, null);
});

test('a cap that changes changes what is left, and what was lent stays lent', () => {
  const accounts = new GuestAccounts(2);
  const account = accountOf(accounts, { capBytes: 10_000 });
  assert.equal(account.borrow(6000), 6000);
  assert.equal(accountOf(accounts, { capBytes: 15_000 }).serial, account.serial);
  assert.equal(account.leftBytes, 9000);
  accountOf(accounts, { capBytes: 5000 });
  assert.equal(account.leftBytes, -1000);
  assert.ok(accounts.isOverdrawn('vm'));
  assert.equal(account.borrow(1), 0);
  account.repay(1500);
  assert.equal(accounts.isOverdrawn('vm'), false);
});

test('a cap that comes back begins a new account, for nobody has counted meanwhile', () => {
  const accounts = new GuestAccounts(2);
  const first = accountOf(accounts, { capBytes: 10_000, reservationBytes: 1 });
  first.borrow(10_000);
  const without = accountOf(accounts, { capBytes: null, reservationBytes: 1 });
  const again = accountOf(accounts, { capBytes: 7000, reservationBytes: 1 });
  assert.equal(new Set([first, without, again].map(({ serial }) => serial)).size, 3);
  assert.equal(again.leftBytes, 7000);
  accounts.forget('vm');
  assert.equal(accounts.isOverdrawn('vm'), false);
  assert.equal(accountOf(accounts, { capBytes: 3 }).leftBytes, 3);
});

test('each shard hears what the others hold', () => {
  const account = accountOf(new GuestAccounts(3), { reservationBytes: 1 });
  for (const [shard, bytes] of [5, 70, 900].entries()) account.hold(shard, bytes);
  assert.deepEqual(
    [0, 1, 2].map((shard) => account.heldElsewhere(shard)),
    [970, 905, 75],
  );
});

function limits(changed: Partial<GuestLimits>): GuestLimits {
  return { guest: 'vm', capBytes: null, weight: 100, reservationBytes: null, ...changed };
}

/** As a shard has it. */
function accountOf(accounts: GuestAccounts, changed: Partial<GuestLimits>): GuestAccount {
  return new GuestAccount(accounts.set(limits(changed)).account!);
}
