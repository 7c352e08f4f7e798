/** The main thread's end of a shard: a {@link StorePort} whose other side is a worker thread. */
import { Worker } from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { type ErrorCode, ERROR_CODES, TmemError } from '../base/errors.js';
import type {
  ExportSpec,
  Forgotten,
  GuestLimits,
  LogLevel,
  Recovered,
  ShardAnswer,
  ShardFailure,
  ShardOptions,
  ShardReply,
  ShardRequest,
  ShardStatus,
} from '../base/shard-port.js';
import type { StorePort } from '../host/store-port.js';

/**
 * The worker's young generation. V8's own choice is made for throughput of garbage; a shard makes little, and each
 * MiB here is taken from what guests could have.
 */
const YOUNG_GENERATION_MIB = 8;

/** How long a worker that has said its last word may take to be gone. */
const EXIT_MS = 1000;

export interface ShardEvents {
  log(level: LogLevel, text: string): void;
  /** The worker ended though nobody asked it to. Called once, and not after {@link ShardClient.stop}. */
  lost(error: Error): void;
}

interface Pending {
  readonly resolve: (answer: ShardAnswer) => void;
  readonly reject: (error: Error) => void;
}

type Ask = ShardRequest extends infer Request ? (Request extends unknown ? Omit<Request, 'call'> : never) : never;

export class ShardClient implements StorePort {
  readonly #worker: Worker;
  readonly #events: ShardEvents;
  readonly #pending = new Map<number, Pending>();
  readonly #gone: Promise<void>;
  #calls = 0;
  #leaving = false;

  /** @param entry - a module that calls `serveShard` on its parent port */
  constructor(entry: URL, events: ShardEvents) {
    this.#events = events;
    this.#worker = new Worker(entry, {
      name: 'shard-0',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    });
    this.#worker.on('message', (reply: ShardReply) => this.#receive(reply));
    this.#worker.on('error', (error: Error) => this.#lose(error));
    this.#gone = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#lose(new Error(`the shard's thread ended with ${code}`));
        resolve();
      });
    });
  }

  async open(options: ShardOptions): Promise<Recovered> {
    const answer = await this.#ask({ verb: 'open', options });
    assert(answer !== null && 'droppedRecords' in answer, 'open is answered with what was recovered');
    return answer;
  }

  async status(): Promise<ShardStatus> {
    const answer = await this.#ask({ verb: 'status' });
    assert(answer !== null && 'arena' in answer, 'status is answered with the status');
    return answer;
  }

  async addExport(spec: ExportSpec): Promise<void> {
    await this.#ask({ verb: 'addExport', spec });
  }

  async removeExport(guest: string, name: string, force: boolean): Promise<void> {
    await this.#ask({ verb: 'removeExport', guest, name, force });
  }

  async setCap(limits: GuestLimits): Promise<void> {
    await this.#ask({ verb: 'setCap', limits });
  }

  async freeze(guest: string | null, frozen: boolean): Promise<void> {
    await this.#ask({ verb: 'freeze', guest, frozen });
  }

  async removeGuest(guest: string, force: boolean): Promise<Forgotten> {
    return forgottenIn(await this.#ask({ verb: 'removeGuest', guest, force }));
  }

  async flushPool(guest: string, pool: string, force: boolean): Promise<Forgotten> {
    return forgottenIn(await this.#ask({ verb: 'flushPool', guest, pool, force }));
  }

  async destroyPool(guest: string, pool: string): Promise<Forgotten> {
    return forgottenIn(await this.#ask({ verb: 'destroyPool', guest, pool }));
  }

  async ping(): Promise<void> {
    await this.#ask({ verb: 'ping' });
  }

  async stop(): Promise<void> {
    if (this.#leaving) return;
    const asked = this.#ask({ verb: 'stop' });
    this.#leaving = true;
    await asked;
    if (!(await this.#isGoneWithin(EXIT_MS))) await this.#worker.terminate();
  }

  /**
   * Ends the thread in the middle of whatever it does; to the arena that is a crash like any other.
   * @returns false when it could not be ended: it is blocked in a system call, and so would be `process.exit`
   */
  async kill(withinMs: number): Promise<boolean> {
    this.#leaving = true;
    void this.#worker.terminate();
    return this.#isGoneWithin(withinMs);
  }

  #ask(ask: Ask): Promise<ShardAnswer> {
    if (this.#leaving) return Promise.reject(new TmemError('E_INTERNAL', 'the shard is stopping'));
    const call = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#worker.postMessage({ ...ask, call });
    });
  }

  #receive(reply: ShardReply): void {
    if ('log' in reply) {
      this.#events.log(reply.log, reply.text);
      return;
    }
    const pending = this.#pending.get(reply.call);
    this.#pending.delete(reply.call);
    if ('error' in reply) pending?.reject(errorOf(reply.error));
    else pending?.resolve(reply.value);
  }

  #lose(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    if (this.#leaving) return;
    this.#leaving = true;
    this.#events.lost(error);
  }

  async #isGoneWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
    const gone = await Promise.race([this.#gone.then(() => true), late]);
    clearTimeout(timer);
    return gone;
  }
}

function forgottenIn(answer: ShardAnswer): Forgotten {
  assert(answer !== null && 'pools' in answer && 'pages' in answer, 'what forgets is answered with what was forgotten');
  return answer;
}

function errorOf({ code, message, stack }: ShardFailure): Error {
  const error = new TmemError(isErrorCode(code) ? code : 'E_INTERNAL', message);
  if (stack !== null) error.stack = stack;
  return error;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
