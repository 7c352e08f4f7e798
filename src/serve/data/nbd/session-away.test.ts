/** What clients hear whose pages are away: turns that no input began, and sockets that are full when they come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rounds, until, withAway } from '../../../../test/support/away-fixture.js';
import { patterned, rejects } from '../../../../test/support/nbd-fixture.js';
import { KIB, MIB, PAGE_BYTES } from '../../../base/units.js';
import { NbdError } from '../../../wire/nbd/request.js';
import type { TransportKind } from './transport.js';

for (const transport of ['onread', 'stream'] satisfies TransportKind[]) {
  test(`${transport}: a page that arrives while its client's socket is full is sent when there is room`, () =>
    withAway({ transport }, async ({ connect, away }) => {
      const client = await connect({ structured: false });
      const data = patterned(4 * MIB);
      await client.write(0, data);
      // Before it comes more than a socket holds, and in the same turn.
      away().sendAway(62);
      client.socket.pause();
      const read = client.read(0, 4 * MIB);
      await until(() => away().coming.length === 1);
      away().endAll();
      await rounds(20);
      client.socket.resume();
      assert.ok((await read).equals(data));
      assert.equal(away().held, 0);
    }));

  test(`${transport}: what comes in while replies that it did not ask for fill the socket is not misread`, () =>
    withAway({ transport }, async ({ connect, away }) => {
      const client = await connect();
      const data = patterned(2 * MIB);
      await client.write(0, data);
      for (let page = 0; page < 512; page++) away().sendAway(page);
      const reads = Array.from({ length: 4 }, (_, n) => client.read(n * 256 * KIB, 256 * KIB));
      await until(() => away().coming.length === 256);
      client.socket.pause();
      away().endAll();
      await rounds(20);
      // From now on there is room again, and input at the same time.
      const other = patterned(MIB, 1);
      const writes = [];
      for (let n = 0; n < 64; n++) {
        writes.push(client.write(4 * MIB + n * 16 * KIB, other.subarray(n * 16 * KIB, (n + 1) * 16 * KIB)));
        if (n === 1) client.socket.resume();
        await rounds(1);
      }
      for (const [n, read] of reads.entries())
        assert.ok((await read).equals(data.subarray(n * 256 * KIB, (n + 1) * 256 * KIB)));
      await Promise.all(writes);
      assert.ok((await client.read(4 * MIB, MIB)).equals(other));
      assert.equal(away().held, 0);
    }));

  test(`${transport}: a client that leaves is answered what was put aside first; one that is lost holds nothing`, () =>
    withAway({ transport }, async ({ connect, away, counters }) => {
      const [leaving, lost] = [await connect(), await connect()];
      const page = patterned(PAGE_BYTES);
      await leaving.write(0, page);
      away().sendAway(0);
      const read = leaving.read(0, PAGE_BYTES);
      const part = lost.write(100, page.subarray(0, 512)).catch(() => {});
      await until(() => away().coming.length === 2);
      lost.destroy();
      await until(() => counters().connections === 1 && away().held === 1);
      const gone = leaving.disconnect();
      await rounds(5);
      away().endAll();
      assert.ok((await read).equals(page));
      await Promise.all([gone, part]);
      await until(() => away().held === 0);
    }));
}

test('two changes in part of a page that is away are both in it, and count as written; others go on meanwhile', () =>
  withAway({}, async ({ connect, away, counters }) => {
    const client = await connect();
    const page = patterned(PAGE_BYTES);
    await client.write(0, page);
    away().sendAway(0);
    const before = counters().writtenBytes;
    const changes = [client.write(0, Buffer.alloc(512, 1)), client.write(512, Buffer.alloc(8192 - 512, 2))];
    await until(() => away().coming.length === 2);
    await client.write(MIB, page);
    away().endAll();
    await Promise.all(changes);
    const now = await client.read(0, 8192);
    assert.ok(now.subarray(0, 512).every((byte) => byte === 1) && now.subarray(512).every((byte) => byte === 2));
    assert.equal(counters().writtenBytes - before, 8192 + PAGE_BYTES);
  }));

test('of a long read no more is held than is fetched at once, and of a change only its edges are fetched', () =>
  withAway({}, async ({ connect, away }) => {
    const client = await connect();
    const data = patterned(8 * MIB);
    await client.write(0, data);
    for (let page = 0; page < 2048; page++) away().sendAway(page);
    const read = client.read(0, 8 * MIB);
    const state = { isOver: false };
    void read.finally(() => (state.isOver = true));
    await until(() => {
      away().endAll();
      return state.isOver;
    });
    assert.ok((await read).equals(data));
    assert.ok(away().heldMax <= 64, `${away().heldMax} held`);
    const { fetches, asked } = away();
    const zeroes = client.writeZeroes(100, 8 * MIB - 200);
    await until(() => away().coming.length === 2);
    assert.ok(away().asked - asked <= 4, 'what lies between is not looked at');
    away().endAll();
    await zeroes;
    assert.equal(away().fetches - fetches, 2);
  }));

test('of a long read of an old client pages are fetched side by side, and no more than of any other', () =>
  withAway({}, async ({ connect, away }) => {
    const client = await connect({ structured: false });
    const data = patterned(4 * MIB);
    await client.write(0, data);
    for (let page = 0; page < 1024; page++) away().sendAway(page);
    const read = client.read(0, 4 * MIB);
    await until(() => away().coming.length > 1, 10_000);
    const state = { isOver: false };
    void read.finally(() => (state.isOver = true));
    await until(() => {
      away().endAll();
      return state.isOver;
    });
    assert.ok((await read).equals(data));
    assert.ok(away().heldMax <= 64, `${away().heldMax} held`);
    assert.equal(away().held, 0);
  }));

test('a page that cannot be fetched is EIO to an old client too, and its connection stays', () =>
  withAway({}, async ({ connect, away }) => {
    const client = await connect({ structured: false });
    await client.write(0, patterned(256 * KIB));
    away().sendAway(40);
    const read = client.read(0, 256 * KIB);
    await until(() => away().coming.length === 1);
    away().endAll('failed');
    await rejects(read, NbdError.io);
    await client.read(0, PAGE_BYTES);
  }));
