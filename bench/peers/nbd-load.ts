import { buildPeer } from './build-peer.js';
import { PeerProcess } from './peer-process.js';

/** What one slice of load measured of one server. */
export interface LoadSlice {
  readonly operations: number;
  readonly iops: number;
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** `durable`: a write with FUA, answered when it outlives the host as far as the server is concerned. */
export type LoadVerb = 'read' | 'write' | 'durable';

/** The load generator `nbd-load.c`, connected to all its servers. One call at a time. */
export class NbdLoad implements AsyncDisposable {
  readonly #peer: PeerProcess;

  /** @param options.sockets - of the servers, in the order that the calls below count them in */
  constructor(options: { corpus: string; spanPages: number; sockets: readonly string[] }) {
    const line = [options.corpus, String(options.spanPages), ...options.sockets];
    this.#peer = new PeerProcess(buildPeer('nbd-load', []), line);
  }

  /** Writes every page of the span. Passes differ in what they write. */
  async fill(server: number, pass: number, order: 'up' | 'mixed'): Promise<void> {
    await this.#peer.ask(`fill ${server} ${pass} ${order}`);
  }

  async slice(server: number, verb: LoadVerb, depth: number, us: number): Promise<LoadSlice> {
    const [operations, ns, cpuNs, p50, p99] = await this.#peer.ask(`slice ${server} ${verb} ${depth} ${us}`);
    return {
      operations: operations!,
      iops: operations! / (ns! / 1e9),
      cpuUs: cpuNs! / 1000 / operations!,
      p50Us: p50! / 1000,
      p99Us: p99! / 1000,
    };
  }

  /** Reads every page of the span. @returns pages that are not as written */
  async verify(server: number): Promise<number> {
    const [wrong] = await this.#peer.ask(`verify ${server}`);
    return wrong!;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#peer[Symbol.asyncDispose]();
  }
}
