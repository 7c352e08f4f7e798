import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestNeeds, guestOn, swappedIn } from '../support/swap-guest.js';
import { swapServer } from '../support/swap-server.js';

/** Part of the pages, and of the room they took, that must be gone when the guest's process has ended. */
const PART_FREED = 0.9;
const WITHIN_MS = 5000;

test(
  'pages of a process that ended are gone within 5 s, and so is the room they took',
  { skip: guestNeeds() },
  async (t) => {
    const server = swapServer();
    const guest = await guestOn(t, server, { linger: 30 });
    const now = async (): Promise<{ pages: number; bytes: number }> => {
      const [pages, bytes] = [await server.storedPages(), await server.occupiedBytes()];
      assert.ok(pages !== null && bytes !== null, 'this server tells what it stores');
      return { pages, bytes };
    };

    await swappedIn(guest, 3000);
    const before = await now();
    assert.ok(before.pages > 20_000, `${before.pages} pages are stored: the hog is in swap`);
    guest.command('stop');
    await guest.waitFor('GUEST', 'exit');
    const ended = performance.now();
    const enough = ({ pages, bytes }: { pages: number; bytes: number }): boolean =>
      pages <= before.pages * (1 - PART_FREED) && bytes <= before.bytes * (1 - PART_FREED);
    let after = await now();
    while (!enough(after) && performance.now() - ended < WITHIN_MS) {
      await sleep(100);
      after = await now();
    }

    const seconds = ((performance.now() - ended) / 1000).toFixed(1);
    const change = `pages ${before.pages} -> ${after.pages}, bytes ${before.bytes} -> ${after.bytes} in ${seconds} s`;
    assert.ok(enough(after), change);
    console.log(JSON.stringify({ before, after, seconds: Number(seconds) }));
  },
);
