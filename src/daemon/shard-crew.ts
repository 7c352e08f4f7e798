/** The threads and the shards on them: who there is, what one asks of the others, and how all of them end. */
import { TmemError } from '../base/errors.js';
import type { LogLevel, ShardStatus } from '../base/shard-port.js';
import type { RoomWish } from '../base/shard-room.js';
import { findRoom } from './room-broker.js';
import { ShardClient } from './shard-client.js';
import { ShardThread } from './shard-thread.js';

/** A shard: the part of the arena that it has, and where it runs. */
export interface CrewShard {
  readonly part: number;
  readonly thread: number;
  readonly client: ShardClient;
}

export interface CrewEvents {
  /** @param shard - which of several says so; null where there is one */
  log(level: LogLevel, text: string, shard: number | null): void;
  /** A thread ended though nobody asked it to. */
  lost(error: Error): void;
}

export interface CrewOptions {
  /** A module that serves shards on the ports of its thread. */
  readonly entry: URL;
  /** Threads. */
  readonly workers: number;
  readonly events: CrewEvents;
}

export class ShardCrew {
  readonly workers: number;
  readonly #entry: URL;
  readonly #events: CrewEvents;
  readonly #threads: ShardThread[] = [];
  #shards: readonly CrewShard[] = [];
  #isSeveral = false;
  #isLeaving = false;

  constructor({ entry, workers, events }: CrewOptions) {
    this.workers = workers;
    this.#entry = entry;
    this.#events = events;
  }

  get shards(): readonly CrewShard[] {
    return this.#shards;
  }

  /** Starts the threads, with a shard for each of these parts: part n on thread n modulo their number. */
  start(parts: readonly number[]): void {
    this.#isSeveral = parts.length > 1;
    const shards: CrewShard[] = [];
    for (let thread = 0; thread < this.workers; thread++) {
      const its = parts.filter((part) => part % this.workers === thread);
      const started = new ShardThread(this.#entry, {
        name: `shard-${thread}`,
        shards: its.length,
        lost: (error) => this.#lose(thread, error),
      });
      this.#threads.push(started);
      for (const [at, part] of its.entries()) shards.push(this.#shard(part, thread, started.ports[at]!));
    }
    this.#shards = shards.toSorted((a, b) => a.part - b.part);
  }

  /** All but this one. */
  others(shard: CrewShard): CrewShard[] {
    return this.#shards.filter((each) => each !== shard);
  }

  async all<T>(ask: (shard: CrewShard) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#shards.map(ask));
  }

  statuses(): Promise<{ part: number; status: ShardStatus }[]> {
    return this.all(async ({ part, client }) => ({ part, status: await client.status() }));
  }

  /** This one is not needed: it stops, and its thread with its last shard. */
  async drop(shard: CrewShard): Promise<void> {
    this.#shards = this.others(shard);
    const thread = this.#threads[shard.thread]!;
    const isLast = this.#shards.every((each) => each.thread !== shard.thread);
    if (isLast) thread.leave();
    await shard.client.stop();
    if (isLast) await thread.end();
  }

  /** Has others give up room. @returns bytes that are free now */
  findRoom(shard: CrewShard, wish: RoomWish): Promise<number> {
    return findRoom(
      wish,
      this.others(shard).map(({ client }) => client),
    );
  }

  async stop(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    for (const thread of this.#threads) thread.leave();
    await this.all(({ client }) => client.stop());
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  /** As {@link ShardThread.kill}, of all. */
  async kill(withinMs: number): Promise<boolean> {
    this.#isLeaving = true;
    const gone = Promise.all(this.#threads.map((thread) => thread.kill(withinMs)));
    for (const { client } of this.#shards) client.lose(new TmemError('E_INTERNAL', 'the shard was ended'));
    return (await gone).every(Boolean);
  }

  #shard(part: number, thread: number, port: ShardThread['ports'][number]): CrewShard {
    const client: ShardClient = new ShardClient(port, {
      log: (level, text) => this.#events.log(level, text, this.#isSeveral ? part : null),
      wish: (wish) => void this.#grant(part, wish),
    });
    return { part, thread, client };
  }

  async #grant(part: number, wish: RoomWish): Promise<void> {
    const shard = this.#shards.find((each) => each.part === part);
    if (shard === undefined) return;
    const given = await this.findRoom(shard, wish);
    // One that stops meanwhile needs no answer.
    await shard.client.roomGiven(given).catch(() => {});
  }

  #lose(thread: number, error: Error): void {
    for (const shard of this.#shards) if (shard.thread === thread) shard.client.lose(error);
    if (!this.#isLeaving) this.#events.lost(error);
  }
}
