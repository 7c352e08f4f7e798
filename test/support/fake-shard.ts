/**
 * A shard without a store, for tests of the daemon: it listens on its exports' sockets and counts. What it should do
 * wrong is asked for through what it is given: a guest's name at start or on a reload, a word on an export's socket later.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { TmemError } from '../../src/base/errors.js';
import type { ExportSpec, Forgotten, ShardLimits, ShardOptions, ShardStatus } from '../../src/base/shard-port.js';
import type { RoomOffer } from '../../src/base/shard-room.js';
import type { OpenShard, Shard, ShardLog } from '../../src/shard/serve-shard.js';

export const openFakeShard: OpenShard = async (options, log) => {
  if (hasGuest(options, 'damaged'))
    throw new TmemError('E_ARENA_DAMAGED', 'the fake arena is damaged: so it was asked');
  if (hasGuest(options, 'broken')) throw new Error('the fake shard is broken');
  if (hasGuest(options, 'slow')) await new Promise((resolve) => setTimeout(resolve, 60_000));
  const shard = new FakeShard(options, log);
  for (const spec of options.exports) await shard.addExport(spec);
  return shard;
};

class FakeShard implements Shard {
  readonly recovered = { pages: 3, droppedRecords: 1, seconds: 0.25 };
  readonly #options: ShardOptions;
  readonly #log: ShardLog;
  readonly #servers = new Map<string, Server>();
  readonly #caps = new Map<string, number | null>();
  /** Those of exports that went, too. */
  readonly #pools = new Set<string>();
  readonly #refusedOnce = new Set<string>();
  #stopsNever = false;

  constructor(options: ShardOptions, log: ShardLog) {
    this.#options = options;
    this.#log = log;
    for (const { guest, capBytes } of options.limits) this.#caps.set(guest, capBytes);
  }

  status(): ShardStatus {
    const [exports, pools] = [this.#servers.keys(), this.#pools].map((names) =>
      [...names].map((name) => name.split('/')),
    );
    return {
      arena: {
        capacityBytes: this.#options.capacityBytes,
        occupiedBytes: 8192,
        liveBytes: 4096,
        metadataBytes: 40,
        contents: 0,
        savedBytes: 0,
      },
      recovered: this.recovered,
      guests: [
        { name: 'guest0', persistentPages: 3, ephemeralPages: 0, storedBytes: 4096, spilledPages: 2, frozen: false },
        { name: 'gone', persistentPages: 1, ephemeralPages: 0, storedBytes: 100, spilledPages: 0, frozen: false },
      ],
      exports: exports!.map(([guest, name]) => ({
        guest: guest!,
        name: name!,
        connections: 1,
        storedPages: 3,
        sameFilledPages: 1,
        storedBytes: 4096,
        spilledPages: 2,
        sharedPages: 0,
        reads: 5,
        writes: 6,
        trims: 7,
        flushes: 8,
        errors: 0,
        requestTimes: [],
      })),
      pools: pools!.map(([guest, name], id) => ({
        id,
        guest: guest!,
        name: name!,
        kind: 'persistent',
        shared: false,
        inclusive: true,
        pages: 3,
        sharedPages: 0,
        storedBytes: 4096,
        puts: 6,
        putsOk: 6,
        gets: 5,
        getsHit: 4,
        flushes: 7,
        evicted: 0,
        verifyFailures: 0,
      })),
      verifyFailures: 0,
      warnings: [],
    };
  }

  async addExport({ guest, name, socket }: ExportSpec): Promise<void> {
    if (guest === 'late' && !this.#refusedOnce.has(name)) {
      this.#refusedOnce.add(name);
      throw new TmemError('E_ARENA_FULL', `the fake shard has no room for ${guest}/${name} yet`);
    }
    const server = createServer((connection) => {
      connection.on('data', (data) => this.#obey(data.toString()));
      connection.on('error', () => {});
    });
    server.listen(socket);
    await once(server, 'listening');
    this.#servers.set(`${guest}/${name}`, server);
    this.#pools.add(`${guest}/${name}`);
  }

  removeExport(guest: string, name: string): Promise<void> {
    this.#servers.get(`${guest}/${name}`)!.close();
    this.#servers.delete(`${guest}/${name}`);
    return Promise.resolve();
  }

  setLimits({ guest, capBytes }: ShardLimits): void {
    this.#caps.set(guest, capBytes);
    this.#log('info', `cap of ${guest} is now ${capBytes}`);
  }

  freeze(): void {}

  removeGuest(): Promise<Forgotten> {
    return Promise.resolve({ pools: 1, pages: 3 });
  }

  flushPool(): Promise<Forgotten> {
    return Promise.resolve({ pools: 0, pages: 3 });
  }

  destroyPool(): Promise<Forgotten> {
    return Promise.resolve({ pools: 1, pages: 3 });
  }

  offerRoom(): RoomOffer {
    return { spareBytes: 0, price: Infinity };
  }

  giveRoom(): Promise<number> {
    return Promise.resolve(0);
  }

  roomGiven(): void {}

  maintain(): void {}

  async stop(): Promise<void> {
    if (this.#stopsNever) await new Promise(() => {});
    for (const server of this.#servers.values()) server.close();
    this.#log('info', 'the fake shard has stopped');
  }

  #obey(word: string): void {
    if (word === 'hang') for (;;);
    if (word === 'die') process.nextTick(() => this.#die());
    if (word === 'never stop') {
      this.#stopsNever = true;
      this.#log('info', 'the fake shard will never stop');
    }
  }

  #die(): never {
    throw new Error('the fake shard died as it was asked');
  }
}

function hasGuest({ limits }: ShardOptions, name: string): boolean {
  return limits.some(({ guest }) => guest === name);
}
