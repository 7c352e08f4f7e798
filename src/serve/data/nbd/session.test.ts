/** What a client of an export may rely on, over real sockets, with both transports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NbdClient, type NbdReplyError, requestMessage } from '../../../../test/support/nbd-client.js';
import { collect, patterned, rejects, withFixture } from '../../../../test/support/nbd-fixture.js';
import { KIB, MIB, PAGE_BYTES } from '../../../base/units.js';
import { ExtentFlag } from '../../../wire/nbd/meta-context.js';
import { ChunkType } from '../../../wire/nbd/reply.js';
import { Command, CommandFlag, NbdError } from '../../../wire/nbd/request.js';
import type { TransportKind } from './transport.js';

const END = 64 * MIB;
const HOLE = ExtentFlag.hole | ExtentFlag.zero;

for (const transport of ['onread', 'stream'] satisfies TransportKind[]) {
  for (const structured of [true, false]) {
    const kind = `${transport}, ${structured ? 'structured' : 'simple'} replies`;

    test(`${kind}: what was written is read back, at any alignment and length`, () =>
      withFixture({ transport }, async ({ connect }) => {
        const client = await connect({ structured });
        const shapes = [
          [0, 4096],
          [1, 1],
          [4095, 2],
          [8191, 12290],
          [100_000, 70_001],
          [1 * MIB, 1 * MIB],
          [3 * MIB + 5, 5 * MIB + 17],
          [32 * MIB, 32 * MIB],
        ] as const;
        for (const [salt, [offset, length]] of shapes.entries()) {
          const before = await client.read(Math.max(0, offset - 10), Math.min(10, offset));
          const data = patterned(length, salt);
          await client.write(offset, data);
          assert.ok(data.equals(await client.read(offset, length)), `${length} bytes at ${offset}`);
          assert.deepEqual(await client.read(Math.max(0, offset - 10), Math.min(10, offset)), before);
        }
      }));

    test(`${kind}: 64 requests in flight are each answered, with their own data`, () =>
      withFixture({ transport }, async ({ connect }) => {
        const client = await connect({ structured });
        const pages = Array.from({ length: 64 }, (_, n) => patterned(PAGE_BYTES, n));
        await Promise.all(pages.map((page, n) => client.write(n * PAGE_BYTES, page)));
        const read = await Promise.all(pages.map((_, n) => client.read(n * PAGE_BYTES, PAGE_BYTES)));
        assert.ok(pages.every((page, n) => page.equals(read[n]!)));
      }));

    test(`${kind}: a damaged page is EIO for the read that touches it and for no other`, () =>
      withFixture({ transport }, async ({ connect, face }) => {
        const client = await connect({ structured });
        await client.write(0, patterned(16 * MIB));
        face.damaged.add(2000);
        for (const [offset, length] of [
          [2000 * PAGE_BYTES, PAGE_BYTES],
          [1999 * PAGE_BYTES, 12 * KIB],
          [0, 16 * MIB],
          [2000 * PAGE_BYTES + 17, 5],
        ] as const) {
          await rejects(client.read(offset, length), NbdError.io);
        }
        assert.ok((await client.read(0, 4 * MIB)).equals(patterned(16 * MIB).subarray(0, 4 * MIB)));
        await rejects(client.write(2000 * PAGE_BYTES, patterned(100)), NbdError.io);
        await client.write(2000 * PAGE_BYTES, patterned(PAGE_BYTES, 9));
        assert.ok((await client.read(2000 * PAGE_BYTES, PAGE_BYTES)).equals(patterned(PAGE_BYTES, 9)));
      }));

    test(`${kind}: holes read as zeros`, () =>
      withFixture({ transport }, async ({ connect }) => {
        const client = await connect({ structured });
        await client.write(5 * PAGE_BYTES, patterned(PAGE_BYTES));
        const read = await client.read(0, 1 * MIB);
        assert.ok(read.subarray(5 * PAGE_BYTES, 6 * PAGE_BYTES).equals(patterned(PAGE_BYTES)));
        assert.ok(read.subarray(0, 5 * PAGE_BYTES).every((byte) => byte === 0));
        assert.ok(read.subarray(6 * PAGE_BYTES).every((byte) => byte === 0));
        assert.ok((await client.read(10 * MIB + 1, 30 * MIB)).every((byte) => byte === 0));
      }));
  }

  test(`${transport}: requests that arrive one byte at a time are carried out`, () =>
    withFixture({ transport }, async ({ connect }) => {
      const client = await connect();
      const replies = collect(client, 16);
      const message = Buffer.concat([requestMessage(Command.write, 7n, 4000, 200), patterned(200)]);
      for (const byte of message) {
        client.socket.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      assert.equal((await replies).toString('hex'), `6744669800000000${'7'.padStart(16, '0')}`);
      assert.ok((await (await connect()).read(4000, 200)).equals(patterned(200)));
    }));

  test(`${transport}: closing answers ESHUTDOWN, ends in bounded time, and takes the socket away`, () =>
    withFixture({ transport }, async ({ connect, server, socketPath }) => {
      const client = await connect();
      await client.write(0, patterned(PAGE_BYTES));
      const closed = server.close(300);
      await rejects(client.read(0, PAGE_BYTES), NbdError.shutdown);
      await rejects(client.write(0, patterned(3 * PAGE_BYTES)), NbdError.shutdown);
      await closed;
      await client.closed();
      await assert.rejects(NbdClient.connect(socketPath), { code: 'ENOENT' });
    }));
}

test('WRITE_ZEROES is exact, TRIM rounds inwards, and whole pages become holes', () =>
  withFixture({}, async ({ connect, face }) => {
    const client = await connect();
    const data = patterned(16 * PAGE_BYTES);
    await client.write(0, data);
    for (const [offset, length] of [
      [100, 50],
      [4000, 200],
      [2 * PAGE_BYTES, PAGE_BYTES],
      [3 * PAGE_BYTES + 1, 3 * PAGE_BYTES],
      [9 * PAGE_BYTES - 1, PAGE_BYTES + 2],
    ] as const) {
      await client.writeZeroes(offset, length, CommandFlag.noHole | CommandFlag.fastZero);
      data.fill(0, offset, offset + length);
      assert.ok((await client.read(0, data.length)).equals(data), `${length} zeros at ${offset}`);
    }
    assert.ok(face.isHole(2) && face.isHole(4) && face.isHole(9) && !face.isHole(3));
    await client.trim(11 * PAGE_BYTES - 1, 3 * PAGE_BYTES);
    data.fill(0, 11 * PAGE_BYTES, 13 * PAGE_BYTES);
    assert.ok((await client.read(0, data.length)).equals(data));
    assert.ok(face.isHole(11) && face.isHole(12) && !face.isHole(10) && !face.isHole(13));
  }));

test('a TRIM of more than a turn may forget is cut, and others are served meanwhile', () =>
  withFixture({ sizeBytes: 2048 * MIB }, async ({ connect, face }) => {
    const [trimmer, other] = [await connect(), await connect()];
    await trimmer.write(2047 * MIB, patterned(1 * MIB));
    const order: string[] = [];
    const trimmed = trimmer.trim(0, 2048 * MIB).then(() => order.push('trim'));
    await other.read(0, PAGE_BYTES).then(() => order.push('read'));
    await trimmed;
    assert.deepEqual(order, ['read', 'trim']);
    assert.ok(face.isHole(2048 * 256 - 1));
  }));

test('runs of holes travel as OFFSET_HOLE and all else as data', () =>
  withFixture({}, async ({ connect }) => {
    const client = await connect();
    await client.write(4 * PAGE_BYTES, patterned(2 * PAGE_BYTES));
    const { chunks } = await client.request(Command.read, 0, 8 * PAGE_BYTES);
    assert.deepEqual(chunks, [
      { type: ChunkType.offsetHole, offset: 0, bytes: 4 * PAGE_BYTES },
      { type: ChunkType.offsetData, offset: 4 * PAGE_BYTES, bytes: 2 * PAGE_BYTES },
      { type: ChunkType.offsetHole, offset: 6 * PAGE_BYTES, bytes: 2 * PAGE_BYTES },
    ]);
    const small = await client.request(Command.read, 100, 200);
    assert.deepEqual(
      small.chunks.map(({ type }) => type),
      [ChunkType.offsetData],
    );
    const huge = await client.request(Command.read, 8 * MIB, 32 * MIB);
    assert.equal(huge.chunks.length, 1);
    assert.deepEqual((await client.request(Command.read, 0, 0)).chunks, []);
  }));

test('DF gives one chunk up to 64 KiB, holes or not, and EOVERFLOW beyond', () =>
  withFixture({}, async ({ connect }) => {
    const client = await connect();
    await client.write(4 * PAGE_BYTES, patterned(PAGE_BYTES));
    const { chunks, data } = await client.request(Command.read, 1, 64 * KIB, CommandFlag.df);
    assert.equal(chunks.length, 1);
    assert.ok(data.subarray(4 * PAGE_BYTES - 1, 5 * PAGE_BYTES - 1).equals(patterned(PAGE_BYTES)));
    const hole = await client.request(Command.read, 1 * MIB, 64 * KIB, CommandFlag.df);
    assert.deepEqual(
      hole.chunks.map(({ type }) => type),
      [ChunkType.offsetHole],
    );
    await rejects(client.read(0, 64 * KIB + 1, CommandFlag.df), NbdError.overflow);
  }));

test('an error of a structured read names the first byte that could not be had', () =>
  withFixture({}, async ({ connect, face }) => {
    const client = await connect();
    await client.write(0, patterned(8 * PAGE_BYTES));
    face.damaged.add(3);
    await assert.rejects(
      client.read(10, 6 * PAGE_BYTES),
      (error: NbdReplyError) => error.offset === 3n * 4096n && error.message.includes('page is damaged'),
    );
  }));

test('BLOCK_STATUS gives coalesced extents from the offset asked for, one with REQ_ONE, and stops at its cap', () =>
  withFixture({}, async ({ connect }) => {
    const client = await connect();
    await client.write(2 * PAGE_BYTES, patterned(3 * PAGE_BYTES));
    assert.deepEqual(await client.blockStatus(100, 10 * PAGE_BYTES), [
      { bytes: 2 * PAGE_BYTES - 100, flags: HOLE },
      { bytes: 3 * PAGE_BYTES, flags: ExtentFlag.data },
      { bytes: 5 * PAGE_BYTES + 100, flags: HOLE },
    ]);
    assert.deepEqual(await client.blockStatus(2 * PAGE_BYTES + 1, 2, CommandFlag.reqOne), [
      { bytes: 2, flags: ExtentFlag.data },
    ]);
    assert.deepEqual(await client.blockStatus(0, END), [
      { bytes: 2 * PAGE_BYTES, flags: HOLE },
      { bytes: 3 * PAGE_BYTES, flags: ExtentFlag.data },
      { bytes: END - 5 * PAGE_BYTES, flags: HOLE },
    ]);
    await Promise.all(Array.from({ length: 2000 }, (_, n) => client.write(8 * MIB + n * 2 * PAGE_BYTES, Buffer.of(n))));
    assert.equal((await client.blockStatus(8 * MIB, 32 * MIB)).length, 1024);
    await rejects(client.blockStatus(0, 0), NbdError.inval);
  }));

const verdicts: readonly [
  what: string,
  command: number,
  offset: number | bigint,
  length: number,
  flags: number,
  error: NbdError,
][] = [
  ['READ past the end', Command.read, END - 1, 2, 0, NbdError.inval],
  ['READ that wraps 2^64', Command.read, 2n ** 64n - 1n, 4096, 0, NbdError.inval],
  ['WRITE past the end', Command.write, END, 4096, 0, NbdError.noSpace],
  ['WRITE_ZEROES past the end', Command.writeZeroes, END - 1, 2, 0, NbdError.noSpace],
  ['TRIM past the end', Command.trim, END - 1, 2, 0, NbdError.inval],
  ['CACHE past the end', Command.cache, END - 1, 2, 0, NbdError.inval],
  ['an unknown command', 8, 0, 0, 0, NbdError.inval],
  ['an unknown flag', Command.write, 0, 5000, 0x80, NbdError.inval],
  ['WRITE over the limit', Command.write, 0, 32 * MIB + 1, 0, NbdError.overflow],
  ['READ over the limit', Command.read, 0, 32 * MIB + 1, 0, NbdError.overflow],
  ['WRITE of nothing', Command.write, 0, 0, 0, NbdError.none],
  ['TRIM of nothing', Command.trim, END, 0, 0, NbdError.none],
  ['CACHE', Command.cache, 0, 64 * MIB, 0, NbdError.none],
  ['FLUSH with FUA', Command.flush, 0, 0, CommandFlag.fua, NbdError.none],
  ['WRITE with FUA', Command.write, 0, 4096, CommandFlag.fua, NbdError.none],
  ['TRIM with FUA', Command.trim, 0, 4096, CommandFlag.fua, NbdError.none],
];
test('each request gets its verdict, and the connection outlives them all', () =>
  withFixture({}, async ({ connect, counters }) => {
    for (const structured of [true, false]) {
      const client = await connect({ structured });
      for (const [what, command, offset, length, flags, error] of verdicts) {
        const payload = command === Command.write ? Buffer.alloc(length) : undefined;
        const answer = client.request(command, offset, length, flags, payload);
        if (error === NbdError.none) await answer;
        else await rejects(answer, error, what);
      }
      await rejects((await connect({ structured })).request(Command.read, 0, 10, 0x80), NbdError.inval);
    }
    assert.equal(counters().errors, 2 * (1 + verdicts.filter(([, , , , , error]) => error !== NbdError.none).length));
  }));

test('a read-only export is read and never written', () =>
  withFixture({ readOnly: true }, async ({ connect, face }) => {
    const client = await connect();
    await client.read(0, PAGE_BYTES);
    await client.flush();
    await rejects(client.write(0, patterned(PAGE_BYTES)), NbdError.perm);
    await rejects(client.trim(0, PAGE_BYTES), NbdError.perm);
    await rejects(client.writeZeroes(0, PAGE_BYTES), NbdError.perm);
    assert.ok(face.isHole(0));
  }));

test('BLOCK_STATUS without a selected context is EINVAL', () =>
  withFixture({}, async ({ connect }) => {
    await rejects((await connect({ metaContext: false })).blockStatus(0, PAGE_BYTES), NbdError.inval);
  }));

test('a wrong request magic ends the connection', () =>
  withFixture({}, async ({ connect }) => {
    const client = await connect();
    client.socket.write(Buffer.alloc(28));
    await client.closed();
  }));

test('after DISC the server closes, and what came before it is done', () =>
  withFixture({}, async ({ connect }) => {
    const client = await connect();
    const written = client.write(0, patterned(2 * MIB));
    await client.disconnect();
    await written;
    assert.ok((await (await connect()).read(0, 2 * MIB)).equals(patterned(2 * MIB)));
  }));

test('what one connection was promised, another sees', () =>
  withFixture({}, async ({ connect }) => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect()));
    for (let round = 0; round < 50; round++) {
      const [writer, reader] = [clients[round % 4]!, clients[(round + 1) % 4]!];
      await writer.write(round * 1000, patterned(3000, round));
      assert.ok((await reader.read(round * 1000, 3000)).equals(patterned(3000, round)));
    }
  }));

test('counters tell what was done', () =>
  withFixture({}, async ({ connect, counters }) => {
    const client = await connect();
    await client.write(0, patterned(5000));
    await client.read(0, 300);
    await client.trim(0, PAGE_BYTES);
    await client.writeZeroes(0, PAGE_BYTES);
    await client.flush();
    await client.blockStatus(0, PAGE_BYTES);
    await rejects(client.read(END, 1), NbdError.inval);
    const { connections, accepted, reads, writes, trims, zeroes, flushes, others, readBytes, writtenBytes, errors } =
      counters();
    assert.deepEqual([connections, accepted, reads, writes, trims, zeroes, flushes, others], [1, 1, 1, 1, 1, 1, 1, 1]);
    assert.deepEqual([readBytes, writtenBytes, errors], [300, 5000, 1]);
  }));
