/**
 * `tmem serve` as a child process on folders of its own, for the rig and for tests: started, asked for its status,
 * killed, started again on the same arena and sockets.
 *
 *     FOLDER/run     sockets, ready.json         (temp dir: paths of sockets are short)
 *     ARENA          the pages                   (/dev/shm where there is one)
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { TmemError } from '../base/errors.js';
import { ended, spawnTethered, type TetheredProcess } from './tethered.js';
import { projectFolder } from './tools.js';

export interface TmemProcessOptions {
  /** Part of the names of its folders, `tmem-NAME-…`. Default `rig`. */
  readonly name?: string;
  /** As on the command line, such as `256M`; else the daemon's own default. */
  readonly capacity?: string;
  /** The process is killed after this long. */
  readonly limitSeconds: number;
  /** A folder for the arena's own; else on tmpfs where there is one. */
  readonly arenaIn?: string;
  /** More arguments of `tmem serve`. */
  readonly more?: readonly string[];
  /** Text of a config file. */
  readonly config?: string;
  /** Of the process, beside ours. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Called when the daemon ends though nobody here has killed it, with the end of its log. */
  readonly onDeath?: (how: string) => void;
}

/** What the rig reads of `ready.json`. */
export interface ReadyFile {
  readonly recovered: { readonly pages: number; readonly seconds_s: number };
  readonly exports: readonly { readonly name: string; readonly socket: string }[];
}

/** What the rig reads of `tmem status --json`. */
export interface TmemStatus {
  readonly rss_bytes: number;
  readonly arena: { readonly occupied_bytes: number; readonly live_bytes: number; readonly metadata_bytes: number };
  readonly exports: readonly ExportStatus[];
}

export interface ExportStatus {
  readonly name: string;
  readonly stored_pages: number;
  readonly same_filled_pages: number;
  readonly stored_bytes: number;
  /** Null where there is no way out of memory. */
  readonly spilled_pages: number | null;
  readonly reads: number;
  readonly writes: number;
  readonly trims: number;
  readonly errors: number;
}

const READY_SECONDS = 30;

/** A daemon says a few lines of log; enough to see why one did not come up. */
const LOG_LINES_KEPT = 20;

export class TmemProcess {
  readonly runDir: string;
  readonly arena: string;
  /** Text of the config file that the next life reads. */
  config: string | undefined;
  readonly #folder: string;
  readonly #options: TmemProcessOptions;
  #child: TetheredProcess | undefined;
  /** The one that we killed last: its pipes may be closed only when the next one has been started. */
  #killed: TetheredProcess | undefined;
  #log: string[] = [];

  constructor(options: TmemProcessOptions) {
    this.#options = options;
    this.config = options.config;
    const prefix = `tmem-${options.name ?? 'rig'}-`;
    this.#folder = mkdtempSync(path.join(tmpdir(), prefix));
    this.runDir = path.join(this.#folder, 'run');
    mkdirSync(this.runDir, { mode: 0o700 });
    const place = options.arenaIn ?? (existsSync('/dev/shm') ? '/dev/shm' : this.#folder);
    this.arena = mkdtempSync(path.join(place, prefix));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Resolves when every socket accepts.
   *
   * @throws {TmemError} E_NO_DAEMON with the end of its log
   */
  async start(): Promise<ReadyFile> {
    const program = path.join(projectFolder(), 'dist/src/cli/tmem.js');
    const { capacity, more = [] } = this.#options;
    const folders = ['--run-dir', this.runDir, '--arena', this.arena];
    const limits = capacity === undefined ? [] : ['--capacity', capacity];
    const args = ['serve', ...folders, ...limits, '--http', 'off', ...this.#configArguments(), ...more];
    const child = spawnTethered(process.execPath, ['--enable-source-maps', program, ...args], this.#options);
    this.#child = child;
    this.#log = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#log.push(line);
      if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
    });
    await this.#readyLine(child);
    child.once('close', (code, signal) => {
      if (this.#killed !== child)
        this.#options.onDeath?.(`ended with ${signal ?? code}; its log:\n${this.#log.join('\n')}`);
    });
    return v.parse(readyFile, JSON.parse(readFileSync(path.join(this.runDir, 'ready.json'), 'utf8')));
  }

  /** What `tmem status --json` prints. */
  async status(): Promise<TmemStatus> {
    return v.parse(tmemStatus, JSON.parse(await this.#ask('GET', '/api/v1/status')));
  }

  /**
   * What `tmem guest set NAME --cap SIZE` does. @param capBytes - null: none
   *
   * @throws {TmemError} E_NO_DAEMON with what the daemon says against it
   */
  async setCap(guest: string, capBytes: number | null): Promise<void> {
    await this.#ask('POST', `/api/v1/guests/${guest}`, { cap_bytes: capBytes });
  }

  /** Stops the process at whatever instruction it is: nothing is answered until {@link TmemProcess.thaw}. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /**
   * SIGKILL. The process is first stopped for `frozenMs`, so that a client in need of it certainly has requests
   * unanswered when it dies.
   */
  async kill9(frozenMs = 0): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    if (frozenMs > 0) {
      this.freeze();
      await new Promise((resolve) => setTimeout(resolve, frozenMs));
    }
    this.#killed = child;
    child.kill('SIGKILL');
    await ended(child);
  }

  /** Kills the daemon if it still runs, and removes its folders. May be called again. */
  async close(): Promise<void> {
    await this.kill9();
    rmSync(this.arena, { recursive: true, force: true });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask(method: 'GET' | 'POST', asked: string, body?: object): Promise<string> {
    return new Promise((resolve, reject) => {
      const socketPath = path.join(this.runDir, 'control.sock');
      const headers = { 'content-type': 'application/json' };
      const options = { socketPath, method, path: asked, timeout: 10_000, ...(body && { headers }) };
      const sent = request(options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          if (response.statusCode === 200) resolve(text);
          else reject(new TmemError('E_NO_DAEMON', `${socketPath} answers ${response.statusCode}: ${text}`));
        });
      });
      sent.on('timeout', () => sent.destroy(new TmemError('E_NO_DAEMON', `${socketPath} is silent for 10 s`)));
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
  }

  #configArguments(): string[] {
    if (this.config === undefined) return [];
    const file = path.join(this.#folder, 'tmem.toml');
    writeFileSync(file, this.config);
    return ['--config', file];
  }

  /** The line on stdout, not the file: after a kill the file is still that of the former process. */
  async #readyLine(child: TetheredProcess): Promise<void> {
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      const fail = (what: string): void => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new TmemError('E_NO_DAEMON', `tmem serve ${what}; its log:\n${this.#log.join('\n')}`));
      };
      const timer = setTimeout(() => fail(`is not ready after ${READY_SECONDS} s`), READY_SECONDS * 1000);
      child.once('close', (code) => fail(`ended with ${code}`));
      child.once('error', (error) => fail(error.message));
      lines.on('line', (line) => {
        if (!line.startsWith('tmem: ready ')) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

const readyFile: v.GenericSchema<unknown, ReadyFile> = v.object({
  recovered: v.object({ pages: v.number(), seconds_s: v.number() }),
  exports: v.array(v.object({ name: v.string(), socket: v.string() })),
});

const tmemStatus: v.GenericSchema<unknown, TmemStatus> = v.object({
  rss_bytes: v.number(),
  arena: v.object({ occupied_bytes: v.number(), live_bytes: v.number(), metadata_bytes: v.number() }),
  exports: v.array(
    v.object({
      name: v.string(),
      stored_pages: v.number(),
      same_filled_pages: v.number(),
      stored_bytes: v.number(),
      spilled_pages: v.nullable(v.number()),
      reads: v.number(),
      writes: v.number(),
      trims: v.number(),
      errors: v.number(),
    }),
  ),
});
