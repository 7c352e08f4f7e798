/** The NBD server of a shard: one unix socket per export, and nothing but that export behind it. */
import { assert } from '../../../base/assert.js';
import { type Clock, systemClock } from '../../../base/clock.js';
import type { PageMemory } from '../../../base/page-memory.js';
import { NbdBuffers } from './buffers.js';
import type { NbdCounters } from './counters.js';
import { NbdExport, type NbdExportOptions, type NbdShared } from './export.js';
import type { Latencies } from './latency.js';
import type { TransportKind } from './transport.js';
import { Turns } from './turns.js';

/** Long enough for a client at work to hear ESHUTDOWN, short beside the ten seconds a daemon has to stop. */
const GRACE_MS = 1000;

export interface NbdServerOptions {
  readonly memory: PageMemory;
  /** `onread` unless said otherwise; falls back to `stream` where Node does not let us at the handle. */
  readonly transport?: TransportKind | undefined;
  /** For the time that requests take. */
  readonly clock?: Clock | undefined;
}

export class NbdServer {
  readonly #shared: NbdShared;
  readonly #exports = new Map<string, NbdExport>();

  /** Takes its regions of the memory, 656 KiB, for ever. */
  constructor({ memory, transport = 'onread', clock = systemClock }: NbdServerOptions) {
    this.#shared = { buffers: new NbdBuffers(memory), turns: new Turns(), transport, clock };
  }

  /**
   * Accepts connections when it resolves.
   *
   * @throws TmemError E_SOCKET_PATH, E_SOCKET_BUSY, E_OWNER
   */
  async addExport(options: NbdExportOptions): Promise<void> {
    assert(!this.#exports.has(options.name), `export ${options.name} is there already`);
    const added = new NbdExport(options, this.#shared);
    this.#exports.set(options.name, added);
    try {
      await added.listen();
    } catch (error) {
      this.#exports.delete(options.name);
      throw error;
    }
  }

  /** Ends its connections as {@link NbdServer.close} does; afterwards nothing uses its face. */
  async removeExport(name: string, graceMs: number = GRACE_MS): Promise<void> {
    const removed = this.#exports.get(name);
    this.#exports.delete(name);
    await removed?.close(graceMs);
  }

  /** Live: the numbers go on changing. Undefined for an export that is not there. */
  counters(name: string): Readonly<NbdCounters> | undefined {
    return this.#exports.get(name)?.counters;
  }

  /** As {@link NbdServer.counters}. */
  latencies(name: string): Latencies | undefined {
    return this.#exports.get(name)?.latencies;
  }

  /**
   * Takes the sockets away, answers ESHUTDOWN for `graceMs`, then disconnects. At most a second longer than that. With
   * no grace clients see only a lost connection, which those that reconnect, like QEMU, mend without telling the guest.
   */
  async close(graceMs: number = GRACE_MS): Promise<void> {
    await Promise.all([...this.#exports.keys()].map((name) => this.removeExport(name, graceMs)));
  }
}
