/** One export being served: its socket, its connections, its counters. Knows of no other export. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../../base/clock.js';
import type { BlockFace } from '../../../hooks/block-face.js';
import type { ExportCatalogue } from '../../../wire/nbd/handshake.js';
import type { ExportDescription } from '../../../wire/nbd/option-replies.js';
import type { NbdBuffers } from './buffers.js';
import { type NbdCounters, newCounters } from './counters.js';
import { Latencies } from './latency.js';
import { Session } from './session.js';
import { listenAt, type SocketOwner } from './socket-path.js';
import type { TransportKind } from './transport.js';
import type { Turns } from './turns.js';

/**
 * Connections at once. QEMU has one, nbdcopy 4, nbd-client as many as it is told and 16 at most in any manual; the
 * rest is for clients that are gone and not yet noticed. Times what one can cost, half a MiB and 2 more where requests can
 * be parked, it bounds what a guest can do to its shard.
 */
export const EXPORT_CONNECTIONS_MAX = 64;

/** How long after the last `end` a client that does not read is given. */
const END_MS_MAX = 500;

/** What the caller says of an export. */
export interface NbdExportOptions extends SocketOwner {
  /** As clients name it, `GUEST/EXPORT`. The empty name finds it too. */
  readonly name: string;
  /** For people, shown by clients that ask. */
  readonly description?: string | undefined;
  readonly readOnly?: boolean | undefined;
  readonly socketPath: string;
  readonly face: BlockFace;
}

/** What the exports of a shard share. */
export interface NbdShared {
  readonly buffers: NbdBuffers;
  readonly turns: Turns;
  readonly transport: TransportKind;
  readonly clock: Clock;
}

export class NbdExport implements ExportCatalogue {
  readonly name: string;
  readonly socketPath: string;
  readonly counters: NbdCounters = newCounters();
  readonly latencies: Latencies = new Latencies();
  shuttingDown = false;

  readonly #description: ExportDescription;
  readonly #face: BlockFace;
  readonly #shared: NbdShared;
  readonly #owner: SocketOwner;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  #onEmpty: (() => void) | undefined;

  constructor(options: NbdExportOptions, shared: NbdShared) {
    const { name, description = '', readOnly = false, socketPath, face } = options;
    this.name = name;
    this.socketPath = socketPath;
    this.#description = { name, description, sizeBytes: face.sizeBytes, readOnly };
    this.#face = face;
    this.#shared = shared;
    this.#owner = options;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  /** @throws TmemError as `listenAt` does */
  async listen(): Promise<void> {
    await listenAt(this.#server, this.socketPath, this.#owner);
    // Out of descriptors: libuv has turned the client away, and the next one may fare better.
    this.#server.on('error', () => {});
  }

  list(): readonly ExportDescription[] {
    return [this.#description];
  }

  find(name: string): ExportDescription | undefined {
    return name === '' || name === this.name ? this.#description : undefined;
  }

  /**
   * Stops listening and takes the socket file away. For `graceMs` clients hear ESHUTDOWN and may leave by themselves;
   * then they are disconnected. Done, within half a second after that, when no connection is left.
   */
  async close(graceMs: number): Promise<void> {
    this.shuttingDown = true;
    this.#server.close();
    for (const session of this.#sessions) session.shutDown();
    await this.#emptyWithin(graceMs);
    for (const session of this.#sessions) session.end();
    await this.#emptyWithin(END_MS_MAX);
    for (const session of this.#sessions) session.destroy();
    await this.#emptyWithin(END_MS_MAX);
  }

  #accept(socket: Socket): void {
    if (this.#sessions.size >= EXPORT_CONNECTIONS_MAX || this.shuttingDown) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    const session = new Session(socket, {
      ...this.#shared,
      catalogue: this,
      face: this.#face,
      counters: this.counters,
      latencies: this.latencies,
      onClosed: (closed) => this.#forget(closed),
    });
    this.#sessions.add(session);
    this.counters.accepted++;
    this.counters.connections++;
  }

  #forget(session: Session): void {
    this.#sessions.delete(session);
    this.counters.connections--;
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }

  #emptyWithin(ms: number): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onEmpty = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#onEmpty = done;
    });
  }
}
