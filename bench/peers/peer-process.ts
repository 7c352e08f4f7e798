import { createInterface } from 'node:readline';
import { ended, spawnTethered, type TetheredProcess } from '../../src/rig/tethered.js';

/** More than any bench takes. */
const LIMIT_SECONDS = 1200;

/** A peer that answers each line on its stdin with a line of numbers. One question at a time. */
export class PeerProcess implements AsyncDisposable {
  readonly #program: string;
  readonly #process: TetheredProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, args: readonly string[]) {
    this.#program = program;
    this.#process = spawnTethered(program, args, { limitSeconds: LIMIT_SECONDS });
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error when the peer has ended, which has said why on stderr */
  async ask(line: string): Promise<readonly number[]> {
    this.#process.stdin.write(`${line}\n`);
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error(`${this.#program} ended at "${line}"`);
    return answer.value.split(' ').map(Number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    await ended(this.#process);
  }
}
