/**
 * Clients that the daemon must survive, and that other clients of it must not feel. Each of these brought down or froze
 * some NBD server that people rely on.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MIB, PAGE_BYTES } from '../../src/base/units.js';
import { Option } from '../../src/wire/nbd/constants.js';
import { Command } from '../../src/wire/nbd/request.js';
import { infoQuery, NbdClient, optionMessage, requestMessage, u32 } from '../support/nbd-client.js';
import { patterned } from '../support/nbd-fixture.js';
import { NbdTarget } from '../support/nbd-target.js';

/** Of the memory of the daemon by 1,000 connections that are gone; each had buffers of 100 KB and more. */
const GROWTH_BYTES_MAX: number = 16 * MIB;

let target: NbdTarget;
/** Descriptors that are open when nobody is connected. */
let atRest: number;
before(async () => {
  target = await NbdTarget.start('256MiB');
  atRest = target.descriptors;
});
after(() => target.remove());

test('a client that asks for 700 MiB and reads none of it costs less than 64 MiB and delays nobody', () =>
  leavesNothingBehind(async () => {
    const victim = await NbdClient.connect(target.socketPath);
    await victim.write(0, patterned(1 * MIB));
    const resident = target.residentBytes;
    const deaf = await transmitting();
    deaf.pause();
    for (let n = 0; n < 700; n++) deaf.write(requestMessage(Command.read, BigInt(n), 0, 1 * MIB));
    for (let n = 0; n < 500; n++) assert.equal((await victim.read(0, PAGE_BYTES)).length, PAGE_BYTES);
    assert.ok(target.residentBytes - resident < 64 * MIB);
    deaf.destroy();
    victim.destroy();
  }));

test('a client that reads at last gets all it asked for', () =>
  leavesNothingBehind(async () => {
    const slow = await NbdClient.connect(target.socketPath);
    await slow.write(0, patterned(1 * MIB));
    slow.socket.pause();
    const answers = Array.from({ length: 100 }, () => slow.read(0, 1 * MIB));
    const writes = Array.from({ length: 20 }, (_, n) => slow.write(64 * MIB + n * MIB, patterned(1 * MIB, n)));
    await sleep(300);
    slow.socket.resume();
    for (const data of await Promise.all(answers)) assert.ok(data.equals(patterned(1 * MIB)));
    await Promise.all(writes);
    for (let n = 0; n < 20; n++)
      assert.ok((await slow.read(64 * MIB + n * MIB, 1 * MIB)).equals(patterned(1 * MIB, n)));
    await slow.trim(64 * MIB, 20 * MIB);
    slow.destroy();
  }));

test('clients that go away with replies unread or requests half sent are forgotten', () =>
  leavesNothingBehind(async () => {
    const payload = patterned(1 * MIB);
    for (let n = 0; n < 150; n++) {
      const quitter = await transmitting();
      quitter.write(requestMessage(Command.read, 1n, 0, 4 * MIB));
      const write = Buffer.concat([requestMessage(Command.write, 2n, 0, 1 * MIB), payload]);
      quitter.write(write.subarray(0, 1 + Math.floor((write.length * n) / 150)));
      if (n % 3 === 0) await sleep(1);
      quitter.destroy();
    }
  }).then(async () => {
    const client = await NbdClient.connect(target.socketPath);
    await client.read(0, PAGE_BYTES);
    await client.disconnect();
  }));

test('1,000 connections come and go, and no memory with them', () =>
  leavesNothingBehind(async () => {
    await comeAndGo(100);
    // Garbage waits to be collected and then makes room for the next; what leaks grows every time.
    let growth = Infinity;
    for (let tries = 0; tries < 3 && growth > GROWTH_BYTES_MAX; tries++) {
      const resident = target.residentBytes;
      await comeAndGo(1000);
      growth = target.residentBytes - resident;
    }
    assert.ok(growth <= GROWTH_BYTES_MAX, `${growth / 1000} bytes a connection`);
    console.log(JSON.stringify({ connections: 1000, growthBytes: growth }));
  }));

test('a payload that stops in the middle holds up nobody else', () =>
  leavesNothingBehind(async () => {
    const stuck = await transmitting();
    stuck.write(Buffer.concat([requestMessage(Command.write, 1n, 8192, 32 * MIB), patterned(5000)]));
    const resident = target.residentBytes;
    const victim = await NbdClient.connect(target.socketPath);
    for (let n = 0; n < 200; n++) await victim.write(0, patterned(PAGE_BYTES, n));
    assert.ok(target.residentBytes - resident < 64 * MIB);
    stuck.destroy();
    victim.destroy();
  }));

test('half a handshake is given ten seconds', () =>
  leavesNothingBehind(async () => {
    const start = performance.now();
    const halves = [Buffer.alloc(0), u32(3).subarray(0, 2), Buffer.concat([u32(3), Buffer.from('IHAVEOPT')])];
    const sockets = halves.map((half) => {
      const socket = raw();
      socket.write(half);
      return socket;
    });
    await Promise.all(sockets.map(closed));
    const seconds = (performance.now() - start) / 1000;
    assert.ok(seconds > 8 && seconds < 14, `${seconds} s`);
  }));

test('rubbish, too many options and options too long end only their own connection', () =>
  leavesNothingBehind(async () => {
    const list = optionMessage(Option.list, Buffer.alloc(0));
    const long = Buffer.concat([Buffer.from('IHAVEOPT'), u32(Option.go), u32(2 ** 32 - 1)]);
    for (const words of [
      patterned(100_000),
      Buffer.concat([u32(3), ...Array<Buffer>(100).fill(list)]),
      Buffer.concat([u32(3), long]),
      Buffer.concat([u32(3), optionMessage(Option.go, infoQuery('')), patterned(100_000)]),
    ]) {
      const socket = raw();
      socket.write(words);
      await closed(socket);
    }
  }));

test("a modest client gets every answer beside another guest's that writes 2 MiB at depth 16", () =>
  leavesNothingBehind(async () => {
    const victim = await NbdClient.connect(target.socketPath);
    await victim.write(0, patterned(1 * MIB));
    const alone = await p99(victim);
    const resident = target.residentBytes;
    const load = fileURLToPath(new URL('nbd-load.js', import.meta.url));
    const greedy = spawn(process.execPath, [load, target.neighbourSocketPath], { stdio: 'ignore', timeout: 60_000 });
    await sleep(1000);
    const beside = await p99(victim);
    const growth = target.residentBytes - resident;
    assert.equal(greedy.exitCode, null, 'the load goes on until it is ended');
    greedy.kill('SIGKILL');
    assert.ok(growth < 64 * MIB, `${growth} bytes`);
    const neighbour = await NbdClient.connect(target.neighbourSocketPath);
    assert.ok((await neighbour.read(30 * MIB, 2 * MIB)).equals(patterned(2 * MIB)), 'all that it writes is written');
    neighbour.destroy();
    victim.destroy();
    // A time is nothing to fail by on a machine that others share: the floor, three times, is checked by bench fairness.
    console.log(JSON.stringify({ p99AloneMs: alone, p99BesideMs: beside, memoryBytes: growth }));
  }));

test('after all of them the daemon stops cleanly and its arena is whole', async () => {
  assert.match(await target.stopAndCheck(), / [1-9]\d* pages$/m);
});

/** So many connections, 20 at a time. Half of them leave without a farewell, in a write or in their handshake. */
async function comeAndGo(connections: number): Promise<void> {
  const visits = [polite, mute, halfWriting, halfAgreed];
  for (let n = 0; n < connections; n += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, k) => visits[k % visits.length]!()));
    await sleep(2);
  }
}

async function polite(): Promise<void> {
  const client = await NbdClient.connect(target.socketPath);
  await client.read(0, PAGE_BYTES);
  await client.disconnect();
}

async function mute(): Promise<void> {
  (await NbdClient.connect(target.socketPath)).destroy();
}

async function halfWriting(): Promise<void> {
  const socket = await transmitting();
  socket.write(Buffer.concat([requestMessage(Command.write, 1n, 0, 1 * MIB), patterned(100_000)]));
  await sleep(1);
  socket.destroy();
}

async function halfAgreed(): Promise<void> {
  const socket = raw();
  socket.write(Buffer.concat([u32(3), optionMessage(Option.info, Buffer.alloc(200_000)).subarray(0, 100_000)]));
  await sleep(1);
  socket.destroy();
}

async function leavesNothingBehind(body: () => Promise<void>): Promise<void> {
  await body();
  for (let tries = 0; tries < 200 && target.descriptors > atRest; tries++) await sleep(20);
  assert.ok(target.descriptors <= atRest, 'descriptors leaked');
}

function raw(): Socket {
  const socket = connect(target.socketPath);
  socket.on('error', () => {});
  socket.resume();
  return socket;
}

/** A connection past its handshake. Those before it may not have been forgotten yet, so it may take a few tries. */
async function transmitting(): Promise<Socket> {
  for (let tries = 0; tries < 500; tries++) {
    const socket = raw();
    socket.write(Buffer.concat([u32(3), optionMessage(Option.go, infoQuery(''))]));
    const served = await Promise.race([once(socket, 'data').then(() => true), closed(socket).then(() => false)]);
    if (served) return socket;
    await sleep(5);
  }
  throw new Error('no connection to be had');
}

function once(socket: Socket, event: string): Promise<unknown> {
  return new Promise((resolve) => socket.once(event, resolve));
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Of 4 KiB reads one after the other, milliseconds. */
async function p99(client: NbdClient): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 4000; n++) {
    const start = performance.now();
    await client.read((n % 256) * PAGE_BYTES, PAGE_BYTES);
    times.push(performance.now() - start);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
}
