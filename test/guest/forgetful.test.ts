import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestNeeds, guestOn, swappedIn } from '../support/swap-guest.js';
import { nbdkitServer, swapServer } from '../support/swap-server.js';

// The other tests are worth something only if they can fail: here the same hog meets servers that lose its pages.
const forgetful = [
  { what: 'a server that keeps its pages in its own memory', make: nbdkitServer, tools: ['nbdkit'] },
  { what: 'a server whose arena is lost', make: swapServer, tools: [] },
];
for (const { what, make, tools } of forgetful) {
  test(`the hog finds bad pages after the restart of ${what}`, { skip: guestNeeds(...tools) }, async (t) => {
    const server = make();
    const guest = await guestOn(t, server);

    await swappedIn(guest, 2000);
    await server.kill9();
    server.forget();
    await sleep(500);
    await server.start();

    const bad = await guest.waitFor('HOG', 'bad');
    assert.notEqual(bad.fields['found'], bad.fields['wanted']);
    console.log(JSON.stringify({ server: what, bad: guest.reports.filter(({ word }) => word === 'bad').length }));
  });
}
