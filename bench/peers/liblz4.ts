import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { PAGE_BYTES } from '../../src/base/units.js';
import { buildPeer } from './build-peer.js';

/** What the peer takes at most in all its life. */
const LIFE_MS_MAX = 300_000;

export interface Pass {
  /** Of the whole pass, as the peer measured it. */
  readonly ns: number;
  /** Bytes of all blocks, or pages that came back. */
  readonly sum: number;
}

/** liblz4 in a process of its own: `liblz4-oracle.c`. One call at a time. */
export class Liblz4 implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #stdout: AsyncIterator<Buffer>;
  #received: Buffer = Buffer.alloc(0);

  constructor() {
    const program = buildPeer('liblz4-oracle', ['lz4']);
    this.#process = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'], timeout: LIFE_MS_MAX });
    this.#stdout = this.#process.stdout.iterator();
  }

  /** The pages that the calls below are about. */
  load(pages: Uint8Array): void {
    this.#send('L', pages.length / PAGE_BYTES, pages);
  }

  compress(): Promise<Pass> {
    this.#send('C');
    return this.#pass();
  }

  decompress(): Promise<Pass> {
    this.#send('D');
    return this.#pass();
  }

  /** The blocks of the last {@link compress}, one a page. */
  async blocks(pages: number): Promise<Buffer[]> {
    this.#send('B');
    const blocks: Buffer[] = [];
    for (let page = 0; page < pages; page++) {
      const bytes = (await this.#receive(4)).readUInt32LE();
      blocks.push(await this.#receive(bytes));
    }
    return blocks;
  }

  /** The page of a block, or undefined where liblz4 refuses it. */
  async decode(block: Uint8Array): Promise<Buffer | undefined> {
    this.#send('V', block.length, block);
    const [done] = await this.#receive(1);
    return done === 1 ? this.#receive(PAGE_BYTES) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin.end();
    await exited;
  }

  #send(command: string, count?: number, bytes?: Uint8Array): void {
    const { stdin } = this.#process;
    stdin.write(command);
    if (count !== undefined) stdin.write(Buffer.from(Uint32Array.of(count).buffer));
    if (bytes !== undefined) stdin.write(bytes);
  }

  async #pass(): Promise<Pass> {
    const answer = await this.#receive(16);
    return { ns: Number(answer.readBigUInt64LE()), sum: Number(answer.readBigUInt64LE(8)) };
  }

  async #receive(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes) {
      const next = await this.#stdout.next();
      if (next.done === true) throw new Error('liblz4-oracle ended in the middle of an answer');
      this.#received = Buffer.concat([this.#received, next.value]);
    }
    const answer = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return answer;
  }
}
