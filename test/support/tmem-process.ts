/** A `tmem` command under test, as a process with a time limit: its lines, its end, nothing left of it afterwards. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReadyDocument } from '../../src/base/status.js';
import { spawnTethered, type TetheredProcess } from '../../src/rig/tethered.js';

/** A daemon starts in half a second; a loaded machine takes its time. */
const LIMIT_SECONDS = 30;

const fakeTmem: string = fileURLToPath(new URL('fake-tmem.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of stderr that are not of the log. */
  readonly plain: readonly string[];
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

export interface TmemOptions {
  /** A shell script that prepares mounts of the process's own and ends with `exec "$@"`; needs root. */
  readonly inMounts?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A user and group id to run as; needs root. */
  readonly user?: number;
  readonly main?: string;
  /** The process is killed after this long: 30 s unless a whole suite talks to it. */
  readonly limitSeconds?: number;
}

export class TmemProcess {
  readonly ended: Promise<Ended>;
  readonly #child: TetheredProcess;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], options: TmemOptions = {}) {
    const { inMounts, env, user, main = fakeTmem, limitSeconds = LIMIT_SECONDS } = options;
    const command = [process.execPath, main, ...args];
    if (user !== undefined) command.unshift('setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups');
    if (inMounts !== undefined) command.unshift('unshare', '-m', 'sh', '-ec', `${inMounts}\nexec "$@"`, 'sh');
    this.#child = spawnTethered(command[0]!, command.slice(1), {
      limitSeconds,
      environment: { NOTIFY_SOCKET: undefined, XDG_RUNTIME_DIR: undefined, ...env },
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        const lines = this.#stderr.split('\n').filter((line) => line !== '');
        resolve({
          code,
          signal,
          stdout: this.#stdout,
          stderr: this.#stderr,
          plain: lines.filter((line) => !line.startsWith('{')),
          log: lines.filter((line) => line.startsWith('{')).map((line): Record<string, unknown> => JSON.parse(line)),
        });
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** So far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves with what the ready file says once the ready line is out. */
  async ready(): Promise<ReadyDocument> {
    await this.waitFor(() => this.#stdout.includes('\n'), 'the ready line');
    const runDir = /^tmem: ready (.+)$/m.exec(this.#stdout)![1]!;
    const document: ReadyDocument = JSON.parse(readFileSync(path.join(runDir, 'ready.json'), 'utf8'));
    return document;
  }

  /** Resolves when a line of the log so far has this message. */
  async logged(message: RegExp): Promise<void> {
    await this.waitFor(() => message.test(this.#stderr), String(message));
  }

  async waitFor(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`the process ended before ${what}:\n${this.#stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** The reader of the ready line and of the log goes away. */
  stopReading(): void {
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(name);
    return this.ended;
  }

  /** For the end of a test, however it went. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** A command that ends by itself. */
export async function tmem(args: readonly string[], options?: TmemOptions): Promise<Ended> {
  return new TmemProcess(args, options).ended;
}

/** Two directories for a daemon: one for its run_dir, one on tmpfs for its arena. */
export interface Places {
  readonly folder: string;
  readonly runDir: string;
  readonly arena: string;
  readonly shm: string;
  /** `--run-dir`, `--arena` and an HTTP port of the system's choice. */
  readonly args: readonly string[];
  remove(): void;
}

export function makePlaces(): Places {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-test-'));
  const shm = mkdtempSync('/dev/shm/tmem-test-');
  const runDir = path.join(folder, 'run');
  const arena = path.join(shm, 'arena');
  return {
    folder,
    runDir,
    arena,
    shm,
    args: ['--run-dir', runDir, '--arena', arena, '--http', '127.0.0.1:0', '--capacity', '64MiB'],
    remove(): void {
      rmSync(folder, { recursive: true, force: true });
      rmSync(shm, { recursive: true, force: true });
    },
  };
}
