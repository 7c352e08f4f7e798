/** An NBD server over memory, in this process, in a folder of its own: for tests of one export. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Clock } from '../../src/base/clock.js';
import type { Durability } from '../../src/base/durability.js';
import { MIB } from '../../src/base/units.js';
import type { BlockFace } from '../../src/hooks/block-face.js';
import type { NbdCounters } from '../../src/serve/data/nbd/counters.js';
import { NbdServer } from '../../src/serve/data/nbd/server.js';
import type { TransportKind } from '../../src/serve/data/nbd/transport.js';
import type { NbdError } from '../../src/wire/nbd/request.js';
import { heapPageMemory } from './heap-page-memory.js';
import { MemoryFace } from './memory-face.js';
import { NbdClient, type NbdClientOptions } from './nbd-client.js';

export const FIXTURE_EXPORT = 'vm1/disk0';

export interface NbdFixture {
  server: NbdServer;
  face: MemoryFace;
  folder: string;
  socketPath: string;
  counters: () => Readonly<NbdCounters>;
  connect: (options?: NbdClientOptions) => Promise<NbdClient>;
  close: () => Promise<void>;
}

export async function nbdFixture(
  options: {
    transport?: TransportKind;
    sizeBytes?: number;
    readOnly?: boolean;
    clock?: Clock;
    durability?: Durability;
    /** What is served in place of the face over memory. */
    over?: (face: MemoryFace) => BlockFace;
  } = {},
): Promise<NbdFixture> {
  const { transport = 'onread', sizeBytes = 64 * MIB, readOnly = false, clock } = options;
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-nbd-'));
  const socketPath = path.join(folder, 'disk0.nbd');
  const memory = heapPageMemory();
  const face = new MemoryFace(memory, sizeBytes, options.durability);
  const server = new NbdServer({ memory, transport, clock });
  await server.addExport({
    name: FIXTURE_EXPORT,
    description: 'a test',
    readOnly,
    socketPath,
    face: options.over?.(face) ?? face,
  });
  const clients: NbdClient[] = [];
  const counters = (): Readonly<NbdCounters> => {
    const found = server.counters(FIXTURE_EXPORT);
    if (found === undefined) throw new Error('export is gone');
    return found;
  };
  const connect = async (how?: NbdClientOptions): Promise<NbdClient> => {
    const client = await NbdClient.connect(socketPath, how);
    clients.push(client);
    return client;
  };
  const close = async (): Promise<void> => {
    for (const client of clients) client.destroy();
    await server.close(0);
    rmSync(folder, { recursive: true, force: true });
  };
  return { server, face, folder, socketPath, counters, connect, close };
}

/** For one test. */
export async function withFixture(
  options: Parameters<typeof nbdFixture>[0],
  body: (fixture: NbdFixture) => Promise<void>,
): Promise<void> {
  const fixture = await nbdFixture(options);
  try {
    await body(fixture);
  } finally {
    await fixture.close();
  }
}

export async function rejects(answer: Promise<unknown>, error: NbdError, what?: string): Promise<void> {
  await assert.rejects(answer, { error }, what);
}

/** The next `bytes` that arrive, raw: the client must not be used for anything else any more. */
export function collect(client: NbdClient, bytes: number): Promise<Buffer> {
  client.socket.removeAllListeners('data');
  return new Promise((resolve) => {
    let got = Buffer.alloc(0);
    client.socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length >= bytes) resolve(got);
    });
  });
}

/** Bytes that differ from page to page and from `salt` to `salt`. */
export function patterned(bytes: number, salt = 0): Buffer {
  const data = Buffer.alloc(bytes);
  let state = (salt + 1) * 0x9e3779b1;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[at] = state >>> 24;
  }
  return data;
}
