/** Both transports keep one contract; `onread` does it past what Node documents, so it is tested by itself here. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { heapPageMemory } from '../../../../test/support/heap-page-memory.js';
import { patterned } from '../../../../test/support/nbd-fixture.js';
import { KIB, MIB } from '../../../base/units.js';
import { NbdBuffers, READ_AREA_BYTES, REPLY_AREA_BYTES, SHARED_READ_BYTES } from './buffers.js';
import { StreamTransport } from './stream-transport.js';
import { takeSocket } from './take-socket.js';
import type { Transport, TransportKind, TransportUser } from './transport.js';

class Recorder implements TransportUser {
  readonly input: Buffer[] = [];
  accepts = true;
  isInCompany = false;
  drains = 0;
  closes = 0;
  onDrained: (() => void) | undefined;
  readonly #buffers: NbdBuffers;

  constructor(buffers: NbdBuffers) {
    this.#buffers = buffers;
  }

  get inputBytes(): number {
    return this.input.reduce((sum, { length }) => sum + length, 0);
  }

  received(bytes: number): boolean {
    const { memory, readArea } = this.#buffers;
    assert.ok(bytes > 0 && bytes <= READ_AREA_BYTES);
    this.input.push(Buffer.from(memory.bytes.subarray(readArea, readArea + bytes)));
    return this.accepts;
  }

  drained(): void {
    this.drains++;
    this.onDrained?.();
  }

  closed(): void {
    this.closes++;
  }
}

test('onread: in company it reads no more at once than a shared turn takes, alone all that there is', () =>
  withPair('onread', async ({ peer, transport, user }) => {
    const sent = patterned(MIB);
    const longestOf = (input: readonly Buffer[]): number => Math.max(...input.map(({ length }) => length));
    user.isInCompany = true;
    transport.start();
    peer.write(sent);
    await until(() => user.inputBytes === sent.length);
    // The first read was asked for before anybody else was there.
    assert.ok(longestOf(user.input.slice(1)) <= SHARED_READ_BYTES);
    assert.ok(Buffer.concat(user.input).equals(sent));
    user.isInCompany = false;
    peer.write(sent);
    await until(() => user.inputBytes === 2 * sent.length);
    assert.ok(longestOf(user.input) > SHARED_READ_BYTES);
  }));

for (const kind of ['onread', 'stream'] satisfies TransportKind[]) {
  test(`${kind}: what a client sends arrives, in order and whole, through the one read area of all`, () =>
    withPair(kind, async ({ peer, transport, user }) => {
      const sent = patterned(3 * MIB);
      transport.start();
      peer.write(sent);
      await until(() => user.inputBytes === sent.length);
      assert.ok(Buffer.concat(user.input).equals(sent));
    }));

  test(`${kind}: after a no, nothing arrives until it is resumed, and nothing is lost`, () =>
    withPair(kind, async ({ peer, transport, user }) => {
      const sent = patterned(2 * MIB);
      user.accepts = false;
      transport.start();
      peer.write(sent);
      let pieces = 0;
      while (user.inputBytes < sent.length) {
        pieces++;
        await until(() => user.input.length === pieces);
        await sleep(5);
        assert.equal(user.input.length, pieces);
        transport.resume();
      }
      assert.ok(Buffer.concat(user.input).equals(sent));
    }));

  test(`${kind}: a client that reads late gets everything in order; until it does, the rest waits in a copy`, () =>
    withPair(kind, async ({ peer, transport, user, buffers }) => {
      const { memory, replyArea } = buffers;
      const replies = patterned(4 * MIB);
      const got: Buffer[] = [];
      transport.start();
      let sent = 0;
      const sendMore = (): void => {
        while (sent < replies.length) {
          const bytes = Math.min(200 * KIB + 7, replies.length - sent);
          memory.bytes.set(replies.subarray(sent, sent + bytes), replyArea);
          sent += bytes;
          const gone = transport.send(replyArea, bytes);
          memory.bytes.fill(0xee, replyArea, replyArea + REPLY_AREA_BYTES);
          if (!gone) return;
        }
      };
      user.onDrained = sendMore;
      sendMore();
      assert.ok(sent < replies.length, 'a socket holds less than 4 MiB');
      await sleep(20);
      peer.on('data', (chunk) => got.push(chunk));
      await until(() => got.reduce((sum, { length }) => sum + length, 0) === replies.length);
      assert.ok(Buffer.concat(got).equals(replies));
      assert.ok(user.drains > 0);
    }));

  test(`${kind}: end lets what was sent leave first`, () =>
    withPair(kind, async ({ peer, transport, buffers }) => {
      const { memory, replyArea } = buffers;
      const reply = patterned(REPLY_AREA_BYTES);
      memory.bytes.set(reply, replyArea);
      transport.start();
      transport.send(replyArea, reply.length);
      transport.end();
      const got: Buffer[] = [];
      peer.on('data', (chunk) => got.push(chunk));
      await until(() => peer.readableEnded);
      assert.ok(Buffer.concat(got).equals(reply));
    }));

  test(`${kind}: a client that is gone closes once, and sending to it does nothing`, () =>
    withPair(kind, async ({ peer, transport, user, buffers }) => {
      transport.start();
      peer.destroy();
      await until(() => user.closes === 1);
      for (let n = 0; n < 3; n++) assert.equal(transport.send(buffers.replyArea, 100), true);
      transport.resume();
      transport.end();
      transport.destroy();
      await sleep(20);
      assert.equal(user.closes, 1);
      assert.equal(user.drains, 0);
    }));

  test(`${kind}: nothing is written after destroy, not even before its close is heard of`, () =>
    withPair(kind, async ({ peer, transport, user, buffers }) => {
      const got: Buffer[] = [];
      peer.on('data', (chunk) => got.push(chunk));
      transport.start();
      transport.destroy();
      assert.equal(user.closes, 0);
      transport.send(buffers.replyArea, 100);
      await until(() => user.closes === 1);
      assert.equal(got.length, 0);
    }));
}

test('a socket whose handle is not what we know is served by the stream', () =>
  withPair(
    'onread',
    async ({ peer, transport, user }) => {
      assert.ok(transport instanceof StreamTransport);
      transport.start();
      peer.write('hello');
      await until(() => user.inputBytes === 5);
    },
    (socket) => Reflect.set(Reflect.get(socket, '_handle') as object, 'useUserBuffer', undefined),
  ));

test('a socket that is gone already when it is taken closes all the same', () =>
  withPair(
    'onread',
    async ({ transport, user }) => {
      transport.start();
      await until(() => user.closes === 1);
    },
    (socket) => socket.destroy(),
  ));

interface Pair {
  /** The client's end, which reads only when told to. */
  peer: Socket;
  transport: Transport;
  user: Recorder;
  buffers: NbdBuffers;
}

async function withPair(
  kind: TransportKind,
  body: (pair: Pair) => Promise<void>,
  prepare: (socket: Socket) => unknown = () => {},
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-nbd-'));
  const buffers = new NbdBuffers(heapPageMemory());
  const user = new Recorder(buffers);
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(path.join(folder, 's'), resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const peer = connect(path.join(folder, 's'));
  peer.on('error', () => {});
  const socket = await accepted;
  prepare(socket);
  const transport = takeSocket(socket, kind, buffers, user);
  try {
    await body({ peer, transport, user, buffers });
  } finally {
    peer.destroy();
    transport.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !condition(); tries++) await sleep(2);
  assert.ok(condition());
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
