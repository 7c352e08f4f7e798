/**
 * One shard on its thread: requests come in over a message port, a {@link Shard} carries them out, answers go back.
 * Everything that may differ (the real shard, a fake one) comes in as `open`.
 */
import { systemCode, TmemError } from '../base/errors.js';
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

/** An arena with its exports, open and serving. */
export interface Shard {
  readonly recovered: Recovered;

  /** Counts what is there now. Called about once a second while somebody looks; cost must not grow with pages. */
  status(): ShardStatus;

  /** Resolves when the export's socket accepts. Throws E_SOCKET_BUSY, E_CONFIG (too many exports of a guest). */
  addExport(spec: ExportSpec): Promise<void>;

  /**
   * Resolves when its connections are closed and its socket file is gone. The pool stays. Throws E_IN_USE where it has
   * connections, unless `force` says that they do not count.
   */
  removeExport(guest: string, name: string, force: boolean): Promise<void>;

  setLimits(limits: ShardLimits): void;

  /** Of one guest, or with null of all that there are now (R66, R67). Ends with the shard. */
  freeze(guest: string | null, frozen: boolean): void;

  /** The guest is dead: its exports and its pools go (R9). As `removeExport` where it has connections. */
  removeGuest(guest: string, force: boolean): Promise<Forgotten>;

  /** The pool loses its pages and stays. Throws E_NOT_FOUND, and E_IN_USE as `removeExport` of its export. */
  flushPool(guest: string, pool: string, force: boolean): Promise<Forgotten>;

  /** Throws E_NOT_FOUND, and E_IN_USE while an export serves it. */
  destroyPool(guest: string, pool: string): Promise<Forgotten>;

  /** What it could give up for a shard that has more need of it. */
  offerRoom(): RoomOffer;

  /** Gives up what was offered, pages only if they are worth less than the wish says. @returns bytes that are free now */
  giveRoom(wish: RoomWish): Promise<number>;

  /** The end of a wish of its own: so many bytes were given up by others. */
  roomGiven(bytes: number): void;

  /** A tick of what nobody asked for: telling what went wrong, cleaning when idle. Bounded to a few milliseconds. */
  maintain(): void;

  /** ESHUTDOWN to clients, requests in flight answered, checkpoint, sockets removed, files closed. */
  stop(): Promise<void>;
}

/** Resolves when recovery is done and every export's socket accepts; on failure leaves no socket and no open file. */
export type OpenShard = (options: ShardOptions, log: ShardLog, wish: (wish: RoomWish) => void) => Promise<Shard>;

/** Becomes a line of the daemon's log. */
export type ShardLog = (level: LogLevel, text: string) => void;

/** The ends of a `MessagePort` that are used here. */
export interface ShardMessages {
  on(event: 'message', listener: (request: ShardRequest) => void): unknown;
  postMessage(reply: ShardReply): void;
  close(): void;
}

/** Cleaning gets five seconds from 25 % slack to 10 %: a twentieth of a second between ticks is plenty of them. */
const MAINTAIN_INTERVAL_MS = 50;

/** Answers requests until `stop`, after which nothing keeps the thread alive. */
export function serveShard(messages: ShardMessages, open: OpenShard): void {
  let shard: Shard | undefined;
  let maintenance: NodeJS.Timeout | undefined;

  const log: ShardLog = (level, text) => messages.postMessage({ log: level, text });
  const opened = (): Shard => {
    if (shard === undefined) throw new TmemError('E_INTERNAL', 'the shard is not open');
    return shard;
  };

  const carryOut = async (request: ShardRequest): Promise<ShardAnswer> => {
    switch (request.verb) {
      case 'open':
        shard = await open(request.options, log, (wish) => messages.postMessage({ wish }));
        maintenance = setInterval(() => shard?.maintain(), MAINTAIN_INTERVAL_MS);
        return shard.recovered;
      case 'status':
        return opened().status();
      case 'addExport':
        await opened().addExport(request.spec);
        return null;
      case 'removeExport':
        await opened().removeExport(request.guest, request.name, request.force);
        return null;
      case 'setLimits':
        opened().setLimits(request.limits);
        return null;
      case 'freeze':
        opened().freeze(request.guest, request.frozen);
        return null;
      case 'removeGuest':
        return opened().removeGuest(request.guest, request.force);
      case 'flushPool':
        return opened().flushPool(request.guest, request.pool, request.force);
      case 'destroyPool':
        return opened().destroyPool(request.guest, request.pool);
      case 'offerRoom':
        return opened().offerRoom();
      case 'giveRoom':
        return { givenBytes: await opened().giveRoom(request.wish) };
      case 'roomGiven':
        opened().roomGiven(request.givenBytes);
        return null;
      case 'ping':
        return null;
      case 'stop':
        break;
    }
    clearInterval(maintenance);
    const leaving = shard;
    shard = undefined;
    await leaving?.stop();
    return null;
  };

  const answer = async (request: ShardRequest): Promise<void> => {
    try {
      messages.postMessage({ call: request.call, value: await carryOut(request) });
    } catch (error) {
      messages.postMessage({ call: request.call, error: failureOf(error) });
    }
    if (request.verb === 'stop') messages.close();
  };

  messages.on('message', (request) => void answer(request));
}

function failureOf(error: unknown): ShardFailure {
  if (error instanceof TmemError) return { code: error.code, message: error.message, stack: null };
  if (!(error instanceof Error)) return { code: 'E_INTERNAL', message: String(error), stack: null };
  // A full file system is the one system error whose cure the user can guess from a code.
  const code = systemCode(error) === 'ENOSPC' ? 'E_ARENA_FULL' : 'E_INTERNAL';
  return { code, message: error.message, stack: error.stack ?? null };
}
