import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { numberIn } from '../../src/rig/report-line.js';
import { guestNeeds, guestOn, readsOf, until, verdict } from '../support/swap-guest.js';
import { swapServer } from '../support/swap-server.js';

const KILLS = 2;
const DOWN_MS = 2000;
/** Page reads before each kill and after the last one. */
const READS_BETWEEN = 6000;

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
    const readMore = async (): Promise<void> => {
      const from = await readsOf(server, guest);
      await until(guest, async () => (await readsOf(server, guest)) >= from + READS_BETWEEN);
    };

    await readMore();
    for (let kill = 0; kill < KILLS; kill++) {
      await server.kill9();
      await sleep(DOWN_MS);
      await server.start();
      await readMore();
    }
    const end = await verdict(guest);

    assert.equal(numberIn(end, 'bad'), 0, guest.lastLines());
    assert.deepEqual(errors, [], 'the guest saw nothing but a pause');
    await guest.waitFor('GUEST', 'bye');
    t.diagnostic(
      `pages swapped in ${end.fields['reads']}, out ${end.fields['writes']}, checked ${end.fields['verified']}`,
    );
  },
);
