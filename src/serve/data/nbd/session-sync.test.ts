/** What clients hear where the store is on a disk: FLUSH and FUA when it is synced, everything else at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestMessage } from '../../../../test/support/nbd-client.js';
import { collect, patterned, rejects, withFixture } from '../../../../test/support/nbd-fixture.js';
import { SlowDisk } from '../../../../test/support/slow-disk.js';
import { CommitOutcome } from '../../../base/commit-outcome.js';
import { MIB, PAGE_BYTES } from '../../../base/units.js';
import { Command, CommandFlag, NbdError } from '../../../wire/nbd/request.js';
import { LATE_MAX } from './late-replies.js';
import type { TransportKind } from './transport.js';

for (const transport of ['onread', 'stream'] satisfies TransportKind[]) {
  test(`${transport}: a FLUSH is answered when its sync ends; reads and writes behind it on its connection are not kept waiting`, () =>
    withDisk(transport, async ({ connect, disk }) => {
      const client = await connect();
      const page = patterned(PAGE_BYTES);
      await client.write(0, page);
      let isFlushed = false;
      const flush = client.flush().then(() => (isFlushed = true));
      await disk.until(() => disk.waiting === 1);
      assert.ok((await client.read(0, PAGE_BYTES)).equals(page));
      await client.write(PAGE_BYTES, page);
      await client.trim(8 * MIB, 8 * MIB);
      assert.equal(isFlushed, false);
      disk.end();
      await flush;
    }));

  test(`${transport}: a change with FUA is committed at once and answered when its sync ends`, () =>
    withDisk(transport, async ({ connect, disk, face }) => {
      const client = await connect();
      const { fua } = CommandFlag;
      const answers = [
        client.write(0, patterned(3 * PAGE_BYTES), fua),
        client.trim(8 * MIB, MIB, fua),
        client.writeZeroes(100, 5000, fua),
      ];
      await disk.until(() => disk.syncsAsked >= 1 && face.commits > 0);
      assert.ok((await client.read(5100, 100)).equals(patterned(3 * PAGE_BYTES).subarray(5100, 5200)));
      await disk.serve(Promise.all(answers));
      assert.ok((await client.read(100, 5000)).every((byte) => byte === 0));
      // FUA on what changes nothing asks for nothing.
      const { syncsAsked } = disk;
      await client.read(0, PAGE_BYTES, fua);
      assert.equal(disk.syncsAsked, syncsAsked);
    }));

  test(`${transport}: a sync that fails answers EIO to all that waited for it`, () =>
    withDisk(transport, async ({ connect, disk }) => {
      const [one, other] = [await connect(), await connect({ structured: false })];
      const answers = [one.flush(), other.flush(), other.write(0, patterned(PAGE_BYTES), CommandFlag.fua)];
      const settled = Promise.allSettled(answers);
      await disk.until(() => disk.waiting >= 2);
      disk.end(CommitOutcome.fault);
      for (let rounds = 0; rounds < 2; rounds++) {
        await one.read(0, PAGE_BYTES);
        await other.read(0, PAGE_BYTES);
        disk.end(CommitOutcome.fault);
      }
      await settled;
      for (const answer of answers) await rejects(answer, NbdError.io);
    }));

  test(`${transport}: a change for which room is to come is held until it is there, and reads of others are not`, () =>
    withDisk(transport, async ({ connect, disk, face }) => {
      const [writer, trimmer, reader] = [await connect(), await connect(), await connect()];
      await writer.write(0, patterned(PAGE_BYTES));
      disk.isShort = true;
      const changes = [writer.write(0, patterned(2 * MIB, 1)), trimmer.trim(8 * MIB, 8 * MIB)];
      await disk.until(() => disk.held >= 2);
      const { commits } = face;
      assert.ok((await reader.read(0, PAGE_BYTES)).equals(patterned(PAGE_BYTES)));
      // Nothing has come of it: asked again, they are held again.
      disk.end();
      await disk.until(() => disk.held >= 2);
      assert.equal(face.commits, commits);
      disk.isShort = false;
      disk.end();
      await Promise.all(changes);
      assert.ok((await reader.read(0, 2 * MIB)).equals(patterned(2 * MIB, 1)));
    }));

  test(`${transport}: a reply that waited for a sync does not come in the middle of another`, () =>
    withDisk(transport, async ({ connect, disk }) => {
      const client = await connect({ structured: false });
      await client.write(0, patterned(4 * MIB));
      for (let n = 0; n < 4; n++) {
        const flush = client.flush();
        await disk.until(() => disk.waiting === 1);
        const read = client.read(0, 4 * MIB);
        client.socket.once('data', () => disk.end());
        assert.ok((await read).equals(patterned(4 * MIB)));
        await flush;
      }
    }));

  test(`${transport}: a client that leaves with a FLUSH under way is answered first`, () =>
    withDisk(transport, async ({ connect, disk }) => {
      const client = await connect();
      const flush = client.flush();
      await disk.until(() => disk.waiting === 1);
      const gone = client.disconnect();
      await (await connect()).read(0, PAGE_BYTES);
      disk.end();
      await Promise.all([flush, gone]);
    }));
}

test('FLUSHes that came together are one sync, and one whose batch fails asks for none', () =>
  withDisk('onread', async ({ connect, disk, face }) => {
    const client = await connect();
    const flushes = Array.from({ length: 8 }, (_, n) => requestMessage(Command.flush, BigInt(n), 0, 0));
    const replies = collect(client, 8 * 16);
    client.socket.write(Buffer.concat(flushes));
    await disk.until(() => disk.waiting > 0);
    assert.ok(disk.syncsAsked <= 2);
    disk.end();
    await replies;
    const other = await connect();
    const { syncsAsked } = disk;
    face.failingCommits = 1;
    await rejects(other.write(0, patterned(PAGE_BYTES), CommandFlag.fua), NbdError.noSpace);
    assert.equal(disk.syncsAsked, syncsAsked);
  }));

test('more FLUSHes than are remembered wait on the wire, and all are answered', () =>
  withDisk('onread', async ({ connect, disk }) => {
    const client = await connect();
    const count = 3 * LATE_MAX;
    const replies = collect(client, count * 16);
    const flushes = Array.from({ length: count }, (_, n) => requestMessage(Command.flush, BigInt(n), 0, 0));
    client.socket.write(Buffer.concat(flushes));
    await disk.serve(replies);
    const cookies = new Set(
      (await replies)
        .toString('hex')
        .match(/.{32}/g)
        ?.map((reply) => reply.slice(16)),
    );
    assert.equal(cookies.size, count);
  }));

test('a connection that is lost while a sync is under way takes nobody with it', () =>
  withDisk('onread', async ({ connect, disk }) => {
    const [lost, kept] = [await connect(), await connect()];
    void lost.flush().catch(() => {});
    const flush = kept.flush();
    await disk.until(() => disk.waiting === 2);
    lost.destroy();
    await kept.read(0, PAGE_BYTES);
    disk.end();
    await flush;
  }));

function withDisk(
  transport: TransportKind,
  body: (fixture: Parameters<Parameters<typeof withFixture>[1]>[0] & { disk: SlowDisk }) => Promise<void>,
): Promise<void> {
  const disk = new SlowDisk();
  return withFixture({ transport, durability: disk }, (fixture) => body({ ...fixture, disk }));
}
