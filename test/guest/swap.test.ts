import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberIn } from '../../src/rig/report-line.js';
import { figuresOf, guestNeeds, guestOn, readsOf, until, verdict } from '../support/swap-guest.js';
import { swapServer } from '../support/swap-server.js';

const READS_WANTED = 50_000;

test(
  'a Linux guest of 96 MiB swaps 160 MiB through 50,000 page reads and finds every byte right',
  { skip: guestNeeds() },
  async (t) => {
    const server = swapServer();
    const guest = await guestOn(t, server);

    await until(guest, async () => (await readsOf(server, guest)) >= READS_WANTED);
    const end = await verdict(guest);

    assert.equal(numberIn(end, 'bad'), 0, guest.lastLines());
    const reads = await readsOf(server, guest);
    assert.ok(reads >= READS_WANTED, `${reads} reads`);
    // The kernel's own count agrees that it was swap that was read, not some other use of the disk.
    assert.ok(numberIn(end, 'reads') >= READS_WANTED, `the guest swapped in ${numberIn(end, 'reads')} pages`);
    await guest.waitFor('GUEST', 'bye');
    console.log(JSON.stringify({ reads, ...figuresOf(end) }));
  },
);
