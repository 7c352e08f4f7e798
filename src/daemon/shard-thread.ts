/** A worker thread with its shards, as the main thread holds it: message ports to them, and its end. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { ShardThreadData } from '../shard/shard-ports.js';

/**
 * The worker's young generation. V8's own choice is made for throughput of garbage; a shard makes little, and each
 * MiB here is taken from what guests could have.
 */
const YOUNG_GENERATION_MIB = 8;

/** How long a worker that has said its last word may take to be gone. */
const EXIT_MS = 1000;

export class ShardThread {
  /** One to each of its shards. */
  readonly ports: readonly MessagePort[];
  readonly #worker: Worker;
  readonly #gone: Promise<void>;
  readonly #lost: (error: Error) => void;
  #leaving = false;

  /**
   * @param entry - a module that calls `serveShard` on each of its `shardPorts`
   * @param options.lost - the thread ended though nobody asked it to; called once, and not after {@link ShardThread.end}
   */
  constructor(entry: URL, options: { name: string; shards: number; lost: (error: Error) => void }) {
    this.#lost = options.lost;
    const channels = Array.from({ length: options.shards }, () => new MessageChannel());
    this.ports = channels.map(({ port1 }) => port1);
    const ports = channels.map(({ port2 }) => port2);
    this.#worker = new Worker(entry, {
      name: options.name,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
      workerData: { ports } satisfies ShardThreadData,
      transferList: ports,
    });
    this.#worker.on('error', (error: Error) => this.#lose(error));
    this.#gone = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#lose(new Error(`the shard's thread ended with ${code}`));
        resolve();
      });
    });
  }

  /** From now on its end is no surprise. */
  leave(): void {
    this.#leaving = true;
  }

  /** After all of its shards have stopped. */
  async end(): Promise<void> {
    this.leave();
    if (!(await this.#isGoneWithin(EXIT_MS))) await this.#worker.terminate();
  }

  /**
   * Ends the thread in the middle of whatever it does; to the arena that is a crash like any other.
   * @returns false when it could not be ended: it is blocked in a system call, and so would be `process.exit`
   */
  async kill(withinMs: number): Promise<boolean> {
    this.leave();
    void this.#worker.terminate();
    return this.#isGoneWithin(withinMs);
  }

  #lose(error: Error): void {
    if (this.#leaving) return;
    this.leave();
    this.#lost(error);
  }

  async #isGoneWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
    const gone = await Promise.race([this.#gone.then(() => true), late]);
    clearTimeout(timer);
    return gone;
  }
}
