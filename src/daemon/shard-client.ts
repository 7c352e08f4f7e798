/** The main thread's end of a shard: calls become messages, answers come back in any order. */
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { type ErrorCode, ERROR_CODES, TmemError } from '../base/errors.js';
import type {
  ExportSpec,
  Forgotten,
  LogLevel,
  Recovered,
  ShardAnswer,
  ShardFailure,
  ShardLimits,
  ShardOptions,
  ShardReply,
  ShardRequest,
  ShardStatus,
} from '../base/shard-port.js';
import type { RoomOffer, RoomWish } from '../base/shard-room.js';

export interface ShardEvents {
  log(level: LogLevel, text: string): void;
  /** It has no room. To be answered with {@link ShardClient.roomGiven}. */
  wish(wish: RoomWish): void;
}

interface Pending {
  readonly resolve: (answer: ShardAnswer) => void;
  readonly reject: (error: Error) => void;
}

type Ask = ShardRequest extends infer Request ? (Request extends unknown ? Omit<Request, 'call'> : never) : never;

export class ShardClient {
  readonly #port: MessagePort;
  readonly #events: ShardEvents;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #leaving = false;

  /** @param port - whose other end a `serveShard` has */
  constructor(port: MessagePort, events: ShardEvents) {
    this.#port = port;
    this.#events = events;
    this.#port.on('message', (reply: ShardReply) => this.#receive(reply));
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

  async setLimits(limits: ShardLimits): Promise<void> {
    await this.#ask({ verb: 'setLimits', limits });
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

  async offerRoom(): Promise<RoomOffer> {
    const answer = await this.#ask({ verb: 'offerRoom' });
    assert(answer !== null && 'spareBytes' in answer, 'offerRoom is answered with an offer');
    return answer;
  }

  /** @returns bytes of segments that are free now */
  async giveRoom(wish: RoomWish): Promise<number> {
    const answer = await this.#ask({ verb: 'giveRoom', wish });
    assert(answer !== null && 'givenBytes' in answer, 'giveRoom is answered with what was given');
    return answer.givenBytes;
  }

  async roomGiven(givenBytes: number): Promise<void> {
    await this.#ask({ verb: 'roomGiven', givenBytes });
  }

  async ping(): Promise<void> {
    await this.#ask({ verb: 'ping' });
  }

  async stop(): Promise<void> {
    if (this.#leaving) return;
    const asked = this.#ask({ verb: 'stop' });
    this.#leaving = true;
    await asked;
  }

  /** Its thread is gone, or about to be: nothing is answered any more. */
  lose(error: Error): void {
    this.#leaving = true;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#port.close();
  }

  #ask(ask: Ask): Promise<ShardAnswer> {
    if (this.#leaving) return Promise.reject(new TmemError('E_INTERNAL', 'the shard is stopping'));
    const call = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#port.postMessage({ ...ask, call });
    });
  }

  #receive(reply: ShardReply): void {
    if ('log' in reply) return this.#events.log(reply.log, reply.text);
    if ('wish' in reply) return this.#events.wish(reply.wish);
    const pending = this.#pending.get(reply.call);
    this.#pending.delete(reply.call);
    if ('error' in reply) pending?.reject(errorOf(reply.error));
    else pending?.resolve(reply.value);
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
