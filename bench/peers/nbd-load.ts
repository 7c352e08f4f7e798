import { createInterface } from 'node:readline';
import { ended, spawnTethered, type TetheredProcess } from '../../src/rig/tethered.js';
import { buildPeer } from './build-peer.js';

/** What one slice of load measured of one server. */
export interface LoadSlice {
  readonly iops: number;
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export type LoadVerb = 'read' | 'write';

/** More than any bench takes. */
const LIMIT_SECONDS = 1200;

/** The load generator `nbd-load.c`, connected to all its servers. One call at a time. */
export class NbdLoad implements AsyncDisposable {
  readonly #process: TetheredProcess;
  readonly #lines: AsyncIterator<string>;

  /** @param sockets - of the servers, in the order that the calls below count them in */
  constructor(options: { corpus: string; spanPages: number; sockets: readonly string[] }) {
    const line = [options.corpus, String(options.spanPages), ...options.sockets];
    this.#process = spawnTethered(buildPeer('nbd-load', []), line, { limitSeconds: LIMIT_SECONDS });
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Writes every page of the span. Passes differ in what they write. @returns us a page */
  async fill(server: number, pass: number, order: 'up' | 'mixed'): Promise<number> {
    const [ns] = await this.#ask(`fill ${server} ${pass} ${order}`);
    return ns! / 1000;
  }

  async slice(server: number, verb: LoadVerb, depth: number, us: number): Promise<LoadSlice> {
    const [operations, ns, cpuNs, p50, p99] = await this.#ask(`slice ${server} ${verb} ${depth} ${us}`);
    return {
      iops: operations! / (ns! / 1e9),
      cpuUs: cpuNs! / 1000 / operations!,
      p50Us: p50! / 1000,
      p99Us: p99! / 1000,
    };
  }

  /** Reads every page of the span. @returns pages that are not as written */
  async verify(server: number): Promise<number> {
    const [wrong] = await this.#ask(`verify ${server}`);
    return wrong!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    await ended(this.#process);
  }

  async #ask(command: string): Promise<number[]> {
    this.#process.stdin.write(`${command}\n`);
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error(`nbd-load ended at "${command}"`);
    return answer.value.split(' ').map(Number);
  }
}
