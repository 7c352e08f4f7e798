import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { heapPageMemory } from '../../../../test/support/heap-page-memory.js';
import { MemoryFace } from '../../../../test/support/memory-face.js';
import { infoQuery, NbdClient, NbdReplyError } from '../../../../test/support/nbd-client.js';
import { nbdFixture, patterned } from '../../../../test/support/nbd-fixture.js';
import { MIB, PAGE_BYTES } from '../../../base/units.js';
import { Option, OptionReply } from '../../../wire/nbd/constants.js';
import { EXPORT_CONNECTIONS_MAX } from './export.js';
import { NbdServer } from './server.js';

test('a socket serves its export under its name and as the default, and no other', () =>
  withServer(async ({ server, add, at }) => {
    await add('vm1/a', 1 * MIB);
    await add('vm1/b', 2 * MIB);
    for (const exportName of ['', 'vm1/a']) {
      assert.equal((await NbdClient.connect(at('vm1/a'), { exportName })).sizeBytes, 1 * MIB);
    }
    await assert.rejects(NbdClient.connect(at('vm1/a'), { exportName: 'vm1/b' }), /refused/);
    const lister = await NbdClient.greet(at('vm1/b'));
    const listed = await lister.option(Option.list);
    assert.deepEqual(
      listed.map(({ data }) => data.toString('latin1', 4)),
      ['vm1/b', ''],
    );
    assert.equal(server.counters('vm1/c'), undefined);
  }));

test('300 exports are served at once, each with its own contents', () =>
  withServer(async ({ add, at }) => {
    const names = Array.from({ length: 300 }, (_, n) => `vm${n}/swap0`);
    await Promise.all(names.map((name) => add(name, 64 * PAGE_BYTES)));
    const clients = await Promise.all(names.map((exportName) => NbdClient.connect(at(exportName), { exportName })));
    await Promise.all(clients.map((client, n) => client.write(100, patterned(5000, n))));
    for (const [n, client] of clients.entries()) assert.ok((await client.read(100, 5000)).equals(patterned(5000, n)));
    for (const client of clients) client.destroy();
  }));

test('an export that is removed is gone with its socket and its connections, and the others stay', () =>
  withServer(async ({ server, add, at }) => {
    await add('vm1/a');
    await add('vm1/b');
    const [a, b] = [await NbdClient.connect(at('vm1/a')), await NbdClient.connect(at('vm1/b'))];
    await server.removeExport('vm1/a', 0);
    await a.closed();
    assert.ok(!existsSync(at('vm1/a')));
    await b.read(0, PAGE_BYTES);
    await add('vm1/a');
    await (await NbdClient.connect(at('vm1/a'))).read(0, PAGE_BYTES);
  }));

test('a socket file that nobody listens at is replaced', () =>
  withServer(async ({ add, at }) => {
    const former = createServer();
    await new Promise<void>((resolve) => former.listen(at('former'), resolve));
    // Closing removes the file by its name of then.
    renameSync(at('former'), at('vm1/a'));
    await new Promise((resolve) => former.close(resolve));
    assert.ok(existsSync(at('vm1/a')));
    await add('vm1/a');
    await NbdClient.connect(at('vm1/a'));
  }));

test('a socket that someone listens at is refused, and goes on working', () =>
  withServer(async ({ add, at }) => {
    await add('vm1/a');
    await withServer(async (other) => {
      const face = new MemoryFace(other.memory, MIB);
      const taken = other.server.addExport({ name: 'vm1/a', socketPath: at('vm1/a'), face });
      await assert.rejects(taken, { code: 'E_SOCKET_BUSY' });
      assert.equal(other.server.counters('vm1/a'), undefined);
    });
    await NbdClient.connect(at('vm1/a'));
  }));

test('a file that is no socket is left alone', () =>
  withServer(async ({ add, at }) => {
    writeFileSync(at('vm1/a'), 'precious');
    await assert.rejects(add('vm1/a'), { code: 'E_SOCKET_BUSY' });
    assert.equal(statSync(at('vm1/a')).size, 8);
  }));

test('a path of 107 bytes is listened at, one of 108 refused', () =>
  withServer(async ({ server, memory, folder }) => {
    const pathOf = (bytes: number): string => path.join(folder, 'x'.repeat(bytes - folder.length - 1));
    const face = new MemoryFace(memory, MIB);
    await server.addExport({ name: 'fits', socketPath: pathOf(107), face });
    assert.ok(existsSync(pathOf(107)));
    await assert.rejects(server.addExport({ name: 'long', socketPath: pathOf(108), face }), { code: 'E_SOCKET_PATH' });
  }));

test('a folder that is not there is E_SOCKET_PATH, one that may not be written too', () =>
  withServer(async ({ server, memory, folder }) => {
    const face = new MemoryFace(memory, MIB);
    const socketPath = path.join(folder, 'nowhere', 'a.nbd');
    await assert.rejects(server.addExport({ name: 'a', socketPath, face }), { code: 'E_SOCKET_PATH' });
  }));

test('a socket has the mode it was asked to have', () =>
  withServer(async ({ server, memory, at }) => {
    const face = new MemoryFace(memory, MIB);
    await server.addExport({ name: 'vm1/a', socketPath: at('vm1/a'), face, mode: 0o600, uid: process.getuid?.() });
    assert.equal(statSync(at('vm1/a')).mode & 0o777, 0o600);
    chmodSync(at('vm1/a'), 0o660);
  }));

test('one connection more than the limit is turned away, until another leaves', async () => {
  const { connect: join, socketPath, counters, close } = await nbdFixture();
  try {
    const clients = await Promise.all(Array.from({ length: EXPORT_CONNECTIONS_MAX }, () => join()));
    await assert.rejects(NbdClient.greet(socketPath), /closed|ECONNRESET|EPIPE/);
    await clients[0]?.disconnect();
    await until(() => counters().connections < EXPORT_CONNECTIONS_MAX);
    await (await join()).read(0, PAGE_BYTES);
  } finally {
    await close();
  }
});

test('1,000 connections that are gone leave less than two kilobytes each in the heap', async () => {
  const collectGarbage = exposedGc();
  const { socketPath, counters, close } = await nbdFixture();
  const comeAndGo = async (connections: number): Promise<number> => {
    for (let n = 0; n < connections; n += 20) {
      const clients = await Promise.all(Array.from({ length: 20 }, () => NbdClient.connect(socketPath)));
      for (const client of clients.slice(10)) client.destroy();
      await Promise.all(clients.slice(0, 10).map((client) => client.disconnect()));
    }
    await until(() => counters().connections === 0);
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  try {
    const before = await comeAndGo(100);
    const after = await comeAndGo(1000);
    assert.ok(after - before < 1000 * 2000, `${after - before} bytes more`);
  } finally {
    await close();
  }
});

test('while it closes, a connection in its handshake hears ERR_SHUTDOWN', () =>
  withServer(async ({ server, add, at }) => {
    await add('vm1/a');
    const client = await NbdClient.greet(at('vm1/a'));
    const closed = server.close(300);
    const [first] = await client.option(Option.go, infoQuery(''));
    assert.equal(first?.reply, OptionReply.errShutdown);
    await closed;
    await client.closed();
  }));

test('closing does not wait for clients that never leave and never read', () =>
  withServer(async ({ server, add, at }) => {
    await add('vm1/a', 64 * MIB);
    const deaf = await NbdClient.connect(at('vm1/a'), { structured: false });
    await deaf.write(0, patterned(1 * MIB));
    deaf.socket.pause();
    for (let n = 0; n < 64; n++) void deaf.read(0, 1 * MIB).catch((error) => assert.ok(error instanceof Error));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const start = performance.now();
    await server.close(100);
    assert.ok(performance.now() - start < 2500);
    deaf.destroy();
  }));

test('closing without grace answers nothing: the connection is lost, as in a crash', () =>
  withServer(async ({ server, add, at }) => {
    await add('vm1/a');
    const client = await NbdClient.connect(at('vm1/a'));
    await server.close(0);
    await assert.rejects(client.read(0, PAGE_BYTES), (error) => !(error instanceof NbdReplyError));
  }));

test('a client that was never served is not waited for', () =>
  withServer(async ({ server, add, at }) => {
    await add('vm1/a');
    const idle = connect(at('vm1/a'));
    idle.on('error', () => {});
    await new Promise((resolve) => idle.once('data', resolve));
    await server.close(0);
    idle.resume();
    await until(() => idle.closed);
  }));

test('a worker thread serves, whose process has no umask to set', () =>
  withServer(async ({ at }) => {
    const main = new URL('../../../../test/support/nbd-server-main.js', import.meta.url);
    const worker = new Worker(main, { argv: [at('vm1/a'), String(MIB)], stdin: true, stdout: true });
    await new Promise((resolve) => worker.stdout.once('data', resolve));
    const client = await NbdClient.connect(at('vm1/a'));
    await client.write(100, patterned(9000));
    assert.ok((await client.read(100, 9000)).equals(patterned(9000)));
    worker.stdin?.end();
    await client.closed();
    await worker.terminate();
  }));

interface Bench {
  server: NbdServer;
  memory: ReturnType<typeof heapPageMemory>;
  folder: string;
  /** Where the socket of an export is. */
  at: (name: string) => string;
  add: (name: string, sizeBytes?: number) => Promise<void>;
}

async function withServer(body: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-nbd-'));
  const memory = heapPageMemory();
  const server = new NbdServer({ memory });
  const at = (name: string): string => path.join(folder, `${name.replace('/', '-')}.nbd`);
  const add = (name: string, sizeBytes: number = MIB): Promise<void> =>
    server.addExport({ name, socketPath: at(name), face: new MemoryFace(memory, sizeBytes) });
  try {
    await body({ server, memory, folder, at, add });
  } finally {
    await server.close(0);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !condition() && performance.now() < end;)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(condition());
}

/** What node shows only when asked to at its start, to a context made afterwards. */
function exposedGc(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  return gc;
}
