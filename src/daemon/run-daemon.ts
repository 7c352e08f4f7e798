/**
 * The daemon's life, from a config to the end of the process:
 *
 *      decide config ─ run_dir ─ arena, locked ─ control.sock ─ HTTP ─ shard recovers and listens ─ ready ─ ... ─ stop
 *      └ refuses without a trace ┘└────────── whatever fails here takes back what came before it ──────────┘
 *
 * The arena is locked before anything of a running daemon could be disturbed: a second one on the same arena is
 * refused before it looks at sockets or `ready.json`.
 */
import { chmodSync } from 'node:fs';
import { described, TmemError } from '../base/errors.js';
import type { Recovered } from '../base/shard-port.js';
import { formatSize } from '../base/size.js';
import { VERSION } from '../base/version.js';
import { controlSocket } from '../client/control/run-dir.js';
import { type HostFacts, hostView } from '../host/host-view.js';
import { type ControlServer, type ControlPlace, startControlServer } from '../serve/control/control-server.js';
import type { Host } from '../serve/control/changes.js';
import { Administration } from './administration.js';
import { lockArena } from './arena-lock.js';
import type { Config, ServeFlags } from './config/config.js';
import { formatHttpAddress } from './config/http-address.js';
import { resolveConfig } from './config/resolve-config.js';
import { type Surroundings, thisMachine } from './config/surroundings.js';
import { makeArenaDir, makeRunDir } from './directories.js';
import { keepHeapLean } from './lean-heap.js';
import { type Log, openLog } from './log.js';
import { OneByOne } from './one-by-one.js';
import { readyDocument, removeReadyFile, tellSystemd, writeReadyFile } from './ready.js';
import { Roster } from './roster.js';
import { limitsOf, specOf } from './reload.js';
import { Shards } from './shards.js';
import { listenForSignals } from './stop-signals.js';
import { Undo } from './undo.js';
import { freeSocketPath } from './unix-socket.js';
import { watchShard } from './watchdog.js';

/** A clean stop promises 10 s; what is not done by now is left to recovery. */
const STOP_MS = 9000;

/** How long a thread may take to be ended before the process ends itself the hard way. */
export const KILL_MS = 500;

/** What the tests replace. */
export interface DaemonParts {
  readonly machine: Surroundings;
  /** The module that the threads of shards run. */
  readonly shardEntry: URL;
}

/**
 * Serves until a signal. Resolves after a clean stop.
 *
 * @throws TmemError whatever kept it from starting; E_INTERNAL when the shard died or hung
 */
export async function runDaemon(flags: ServeFlags, parts: Partial<DaemonParts> = {}): Promise<void> {
  keepHeapLean();
  const machine = parts.machine ?? thisMachine;
  const config = resolveConfig(flags, machine);
  const entry = parts.shardEntry ?? new URL('../shard/shard-main.js', import.meta.url);
  await new Daemon(config, () => resolveConfig(flags, machine), entry).run();
}

class Daemon {
  readonly #roster: Roster;
  readonly #reread: () => Config;
  readonly #log: Log;
  readonly #shards: Shards;
  readonly #undo = new Undo();
  /** Rejects when the daemon cannot go on. */
  readonly #failed: Promise<never>;
  readonly #fail: (error: Error) => void;
  /** Rereads and commands. */
  readonly #changes = new OneByOne();
  #host: Host | undefined;
  #isStopping = false;
  #http: ControlServer | undefined;
  #recovered: Recovered | undefined;

  constructor(config: Config, reread: () => Config, shardEntry: URL) {
    this.#reread = reread;
    this.#log = openLog(config.logLevel);
    let fail: (error: Error) => void = () => {};
    this.#failed = new Promise((_, reject) => (fail = reject));
    this.#fail = fail;
    // Whoever awaits it hears of it; until then it is not an unhandled rejection.
    this.#failed.catch(() => {});
    this.#shards = new Shards({
      entry: shardEntry,
      workers: config.workers,
      events: {
        log: (level, text, shard) => this.#log[level](shard === null ? {} : { shard }, text),
        lost: (error) => this.#fail(new TmemError('E_INTERNAL', `the shard ended: ${error.message}`, { cause: error })),
      },
    });
    this.#roster = new Roster(config, this.#shards, this.#log, () => this.#rewriteReadyFile());
  }

  /** What is in force now. */
  get #config(): Config {
    return this.#roster.config;
  }

  async run(): Promise<void> {
    const signalled = listenForSignals(
      () => void this.#endAtOnce(0),
      () => this.#hangUp(),
    );
    // Whoever read the ready line may have left.
    process.stdout.on('error', () => {});
    process.on('uncaughtException', this.#fail);
    const started = this.#start();
    try {
      const signal = await Promise.race([started.then(() => signalled), signalled, this.#failed]);
      this.#log.info({ signal }, 'stopping');
      if (this.#recovered === undefined) {
        // In the middle of a recovery: ending it is a crash that the next one recovers from.
        await this.#shards.kill(KILL_MS);
        await started.catch(() => {});
      }
      await this.#stop();
      this.#log.info('stopped');
    } catch (error) {
      await this.#end(error);
      throw error;
    }
  }

  /** Returns when everything accepts and everybody who waits has been told. */
  async #start(): Promise<void> {
    const { runDir, arena, guests, warnings } = this.#config;
    this.#log.info({ version: VERSION, runDir, arena: arena.path }, 'starting');
    for (const { code, text } of warnings) this.#log.warn({ code }, text);
    makeRunDir(runDir, this.#config.runDirIsDefault, this.#undo);
    // From here on what is made is ours alone; sockets are opened to their owners one by one.
    process.umask(0o077);
    makeArenaDir(arena.path, arena.isDefault, this.#undo);
    const lock = await lockArena(arena.path, runDir, () =>
      this.#fail(new TmemError('E_ARENA_BUSY', `arena ${arena.path} was taken by another daemon while this one slept`)),
    );
    this.#undo.add(() => lock.release());

    await this.#listenForControl();
    const { exports } = this.#roster;
    for (const { socket } of exports) await freeSocketPath(socket);
    // A shard that stops removes its sockets; one that is ended cannot.
    this.#undo.add(() => this.#roster.removeSockets());
    this.#recovered = await this.#shards.open({
      arena: arena.path,
      fs: arena.fs,
      capacityBytes: this.#config.capacityBytes,
      limits: guests.map(limitsOf),
      exports: exports.map(specOf),
    });
    for (const shard of this.#shards.each) this.#undo.add(watchShard(shard, () => this.#shardIsSilent()));
    this.#roster.handOverSockets();
    this.#host = {
      view: hostView(this.#shards, () => this.#facts(), processFacts),
      control: new Administration({
        roster: this.#roster,
        store: this.#shards,
        log: this.#log,
        oneByOne: this.#changes,
      }),
    };
    await this.#announce(this.#recovered);
  }

  async #listenForControl(): Promise<void> {
    const { runDir, http } = this.#config;
    const path = controlSocket(runDir);
    await freeSocketPath(path);
    // No living daemon has this run_dir: what says so is of one that was killed, whatever becomes of this start.
    removeReadyFile(runDir);
    await this.#openDoor({ path });
    chmodSync(path, 0o600);
    if (http !== null) this.#http = await this.#openDoor(http);
  }

  async #openDoor(place: ControlPlace): Promise<ControlServer> {
    const door = await startControlServer(place, {
      host: () => this.#host,
      tokenDigest: () => this.#config.tokenDigest,
    });
    this.#undo.add(() => door.close());
    return door;
  }

  async #announce(recovered: Recovered): Promise<void> {
    const { runDir } = this.#config;
    this.#writeReadyFile();
    this.#undo.add(() => removeReadyFile(runDir));
    const { pages, droppedRecords, seconds } = recovered;
    this.#log.info({ pages, droppedRecords, seconds, capacity: formatSize(this.#config.capacityBytes) }, 'ready');
    process.stdout.write(`tmem: ready ${runDir}\n`);
    if (process.env['NOTIFY_SOCKET'] !== undefined) {
      const trouble = await tellSystemd();
      if (trouble !== undefined) this.#log.warn(`systemd was not told that the daemon is ready: ${trouble}`);
    }
    this.#giveHints();
  }

  /** What to type next. To a person as lines, else as lines of the log, which programs can tell from errors. */
  #giveHints(): void {
    const [first] = this.#roster.exports;
    const fromClone = process.env['npm_lifecycle_event'] === 'start';
    const tmem = fromClone ? 'npx tmem' : 'tmem';
    const where = this.#config.runDirIsDefault ? '' : ` --run-dir ${this.#config.runDir}`;
    const hints = [`${tmem} status${where}`];
    if (first !== undefined) hints.push(`${tmem} attach ${first.guest}/${first.name}${where}`);
    if (fromClone) hints.push('npx tmem demo');
    const http = this.#httpUrl();
    if (http !== null) hints.push(http);
    if (process.stderr.isTTY) process.stderr.write(`Next:\n${hints.map((hint) => `  ${hint}\n`).join('')}`);
    else this.#log.info({ next: hints }, 'what to type next');
  }

  /** Within {@link STOP_MS}, or what is left of it is given up. */
  async #stop(): Promise<void> {
    this.#isStopping = true;
    removeReadyFile(this.#config.runDir);
    const late = setTimeout(() => {
      this.#log.error('the stop took too long: ending as it is');
      void this.#endAtOnce(1);
    }, STOP_MS);
    await this.#shards.stop();
    await this.#takeBack();
    clearTimeout(late);
  }

  /** After a failure: the shard's memory is not trusted any more, the arena is as after any crash. */
  async #end(error: unknown): Promise<void> {
    this.#logEnd(error);
    if (!(await this.#shards.kill(KILL_MS))) {
      // A blocked thread would block process.exit too; the message must not be lost with it.
      const { code, message } = described(error);
      process.stderr.write(`tmem: ${code}: ${message}\n`);
      await this.#takeBack();
      process.kill(process.pid, 'SIGKILL');
    }
    await this.#takeBack();
  }

  /** A refusal is told by its line alone; a mistake of ours needs its place in the code. */
  #logEnd(error: unknown): void {
    if (error instanceof TmemError && error.code !== 'E_INTERNAL') return;
    const { stack, cause } = error instanceof Error ? error : { stack: String(error) };
    this.#log.fatal({ stack: cause instanceof Error ? cause.stack : stack }, 'ending');
  }

  async #endAtOnce(code: number): Promise<void> {
    if (await this.#shards.kill(KILL_MS)) process.exit(code);
    process.kill(process.pid, 'SIGKILL');
  }

  async #takeBack(): Promise<void> {
    await this.#undo.run((error) => this.#log.debug({ error: String(error) }, 'could not be taken back'));
  }

  #shardIsSilent(): void {
    const text = 'the shard has not answered for 4 s: ending, so that the unit starts the daemon again';
    this.#log.fatal(text);
    this.#fail(new TmemError('E_INTERNAL', text));
  }

  #hangUp(): void {
    this.#changes
      .run(() => this.#reload())
      .catch((error: unknown) => {
        const { code, message } = described(error);
        this.#log.error({ code }, `not reloaded: ${message}`);
      });
  }

  async #reload(): Promise<void> {
    if (this.#recovered === undefined) throw new TmemError('E_NOT_READY', 'still starting');
    await this.#roster.reload(this.#reread());
  }

  /** What is served is served, though the file cannot say so. */
  #rewriteReadyFile(): void {
    try {
      this.#writeReadyFile();
    } catch (error) {
      this.#log.error({ code: 'E_RUN_DIR' }, `ready.json is not up to date: ${described(error).message}`);
    }
  }

  #writeReadyFile(): void {
    // A change that ends during the stop must not bring the file back.
    if (this.#recovered === undefined || this.#isStopping) return;
    writeReadyFile(this.#config.runDir, readyDocument(this.#config, this.#httpUrl(), this.#recovered));
  }

  #httpUrl(): string | null {
    const { http } = this.#config;
    return http === null ? null : `http://${formatHttpAddress({ ...http, port: this.#http?.port ?? http.port })}/`;
  }

  #facts(): HostFacts {
    const { arena, guests, warnings } = this.#config;
    return { version: VERSION, arena: { path: arena.path, fs: arena.fs }, guests, warnings };
  }
}

function processFacts(): { pid: number; uptimeS: number; rssBytes: number } {
  return {
    pid: process.pid,
    uptimeS: Math.round(process.uptime() * 1000) / 1000,
    rssBytes: process.memoryUsage.rss(),
  };
}
