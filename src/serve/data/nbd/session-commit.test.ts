/** What a client is answered by whether its batch was stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestMessage } from '../../../../test/support/nbd-client.js';
import { collect, patterned, rejects, withFixture } from '../../../../test/support/nbd-fixture.js';
import { CommitOutcome } from '../../../base/commit-outcome.js';
import { MIB, PAGE_BYTES } from '../../../base/units.js';
import { Command, NbdError } from '../../../wire/nbd/request.js';
import type { TransportKind } from './transport.js';

for (const transport of ['onread', 'stream'] satisfies TransportKind[]) {
  test(`${transport}: a store that is full refuses with ENOSPC, keeps the old page and takes the next write`, () =>
    withFixture({ transport }, async ({ connect, face }) => {
      const client = await connect();
      await client.write(0, patterned(8 * PAGE_BYTES));
      face.full.add(5);
      const refused = client.write(0, patterned(8 * PAGE_BYTES, 1));
      const after = client.write(1 * MIB, patterned(PAGE_BYTES, 2));
      await rejects(refused, NbdError.noSpace);
      await after;
      const kept = patterned(8 * PAGE_BYTES).subarray(5 * PAGE_BYTES, 6 * PAGE_BYTES);
      assert.ok((await client.read(5 * PAGE_BYTES, PAGE_BYTES)).equals(kept));
      assert.ok((await client.read(1 * MIB, PAGE_BYTES)).equals(patterned(PAGE_BYTES, 2)));
    }));

  test(`${transport}: a commit that fails turns every write of its turn into ENOSPC, and nothing of it is stored`, () =>
    withFixture({ transport }, async ({ connect, face }) => {
      const client = await connect();
      await client.write(0, patterned(PAGE_BYTES));
      face.failingCommits = 1;
      const batch = Buffer.concat([
        requestMessage(Command.write, 1n, 0, PAGE_BYTES),
        patterned(PAGE_BYTES, 1),
        requestMessage(Command.trim, 2n, 0, PAGE_BYTES),
        requestMessage(Command.writeZeroes, 3n, 100, 5000),
      ]);
      const replies = collect(client, 3 * 16);
      client.socket.write(batch);
      const wire = await replies;
      for (let n = 0; n < 3; n++) assert.equal(wire.readUInt32BE(n * 16 + 4), NbdError.noSpace);
      assert.ok((await (await connect()).read(0, PAGE_BYTES)).equals(patterned(PAGE_BYTES)));
    }));

  test(`${transport}: a commit that fails for another reason than room turns them into EIO`, () =>
    withFixture({ transport }, async ({ connect, face }) => {
      const client = await connect();
      face.failure = CommitOutcome.fault;
      face.failingCommits = 1;
      await rejects(client.write(0, patterned(PAGE_BYTES)), NbdError.io);
      face.failingCommits = 1;
      await rejects(client.write(0, patterned(4 * MIB)), NbdError.io);
      face.failingCommits = 1;
      await rejects(client.trim(0, 64 * MIB), NbdError.io);
      await client.write(0, patterned(PAGE_BYTES));
    }));

  test(`${transport}: a read behind a write whose commit fails gives what is stored, and later promises are kept`, () =>
    withFixture({ transport }, async ({ connect, face }) => {
      const client = await connect({ structured: false });
      await client.write(0, patterned(PAGE_BYTES));
      face.failingCommits = 1;
      const replies = collect(client, 16 + (16 + PAGE_BYTES) + 16);
      client.socket.write(
        Buffer.concat([
          requestMessage(Command.write, 1n, 0, PAGE_BYTES),
          patterned(PAGE_BYTES, 1),
          requestMessage(Command.read, 2n, 0, PAGE_BYTES),
          requestMessage(Command.write, 3n, PAGE_BYTES, PAGE_BYTES),
          patterned(PAGE_BYTES, 2),
        ]),
      );
      const wire = await replies;
      const [refused, read, stored] = [wire.subarray(0), wire.subarray(16), wire.subarray(32 + PAGE_BYTES)];
      assert.equal(refused.readUInt32BE(4), NbdError.noSpace);
      assert.equal(read.readUInt32BE(4), NbdError.none);
      assert.ok(read.subarray(16, 16 + PAGE_BYTES).equals(patterned(PAGE_BYTES)));
      assert.equal(stored.readUInt32BE(4), NbdError.none);
      assert.ok((await (await connect()).read(PAGE_BYTES, PAGE_BYTES)).equals(patterned(PAGE_BYTES, 2)));
    }));

  test(`${transport}: a commit that fails in the middle of a long write fails the write`, () =>
    withFixture({ transport }, async ({ connect, face }) => {
      const client = await connect();
      face.failingCommits = 1;
      await rejects(client.write(0, patterned(4 * MIB)), NbdError.noSpace);
      await client.write(0, patterned(4 * MIB));
    }));
}

test('writes are committed before they are answered, once for all that came together', () =>
  withFixture({}, async ({ connect, face }) => {
    const client = await connect();
    await client.read(0, PAGE_BYTES);
    assert.equal(face.commits, 0);
    await client.write(0, patterned(PAGE_BYTES));
    assert.equal(face.commits, 1);
    const wire = Array.from({ length: 16 }, (_, n) => [
      requestMessage(Command.write, BigInt(n), n * PAGE_BYTES, PAGE_BYTES),
      patterned(PAGE_BYTES, n),
    ]);
    const replies = collect(client, 16 * 16);
    client.socket.write(Buffer.concat(wire.flat()));
    await replies;
    assert.ok(Number(face.commits) <= 4, 'commits are few');
  }));
