import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { numberIn } from '../../src/rig/report-line.js';
import { figuresOf, guestNeeds, guestOn, readsOf, until, verdict } from '../support/swap-guest.js';
import { swapServer } from '../support/swap-server.js';

const KILLS = 2;
const DOWN_MS = 2000;
/** Page reads before each kill. */
const READS_BETWEEN = 6000;
/** Page reads over all, and of these after the last kill. Without kills a test of its own reads 50,000. */
const READS_WANTED = 25_000;
const READS_AFTER_WANTED = 5000;

test(
  'a guest whose swap server is killed twice in the middle of its work finds every byte right',
  { skip: guestNeeds() },
  async (t) => {
    const server = swapServer();
    const guest = await guestOn(t, server);
    const errors: string[] = [];
    guest.on('line', (line) => {
      if (/error|segfault|Oops|panic/i.test(line)) errors.push(line);
    });
    const untilRead = (pages: number): Promise<void> =>
      until(guest, async () => (await readsOf(server, guest)) >= pages);

    let readsBefore = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      await untilRead(readsBefore + READS_BETWEEN);
      await server.kill9();
      await sleep(DOWN_MS);
      await server.start();
      readsBefore = await readsOf(server, guest);
    }
    await untilRead(Math.max(READS_WANTED, readsBefore + READS_AFTER_WANTED));
    const end = await verdict(guest);

    const reads = await readsOf(server, guest);
    const readsAfter = reads - readsBefore;
    assert.ok(reads >= READS_WANTED && readsAfter >= READS_AFTER_WANTED, `${reads} reads, ${readsAfter} at last`);
    assert.equal(numberIn(end, 'bad'), 0, guest.lastLines());
    assert.deepEqual(errors, [], 'the guest saw nothing but a pause');
    await guest.waitFor('GUEST', 'bye');
    console.log(JSON.stringify({ kills: KILLS, reads, readsAfterLastKill: readsAfter, ...figuresOf(end) }));
  },
);
