/**
 * What the interop and hostile suites are run against: `tmem serve` as users start it, with an export for each of two
 * guests, on an arena and a run directory of its own.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { ReadyDocument } from '../../src/base/status.js';
import { checkReal, serveReal } from './real-daemon.js';
import { makePlaces, type Places, type TmemProcess } from './tmem-process.js';

/** No suite uses one for longer. */
const LIMIT_SECONDS = 300;

/** Holds what a suite stores and little more, so that segments are cleaned; fits the 64 MiB of a container's /dev/shm. */
const CAPACITY = '48MiB';

export class NbdTarget {
  readonly socketPath: string;
  /** For tools that take an NBD URI: the one that `ready.json` announces, with the export's name. */
  readonly uri: string;
  /** Without a name: the default export of the socket. */
  readonly namelessUri: string;
  /** The export of another guest, of the same size. */
  readonly neighbourSocketPath: string;
  readonly #places: Places;
  readonly #daemon: TmemProcess;

  private constructor(places: Places, daemon: TmemProcess, { exports }: ReadyDocument) {
    const announced = (name: string): ReadyDocument['exports'][number] => exports.find((each) => each.name === name)!;
    const { socket, uri } = announced('vm/disk');
    this.#places = places;
    this.#daemon = daemon;
    this.socketPath = socket;
    this.uri = uri;
    this.namelessUri = `nbd+unix:///?socket=${socket}`;
    this.neighbourSocketPath = announced('neighbour/disk').socket;
  }

  /** The size of each disk as in the config. Resolves when the sockets accept. */
  static async start(size: string): Promise<NbdTarget> {
    const places = makePlaces();
    const exports = { disk: size, 'neighbour/disk': size };
    const daemon = serveReal(places, { capacity: CAPACITY, exports, limitSeconds: LIMIT_SECONDS });
    try {
      return new NbdTarget(places, daemon, await daemon.ready());
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      places.remove();
      throw error;
    }
  }

  /** A clean stop, then `tmem check`: neither has anything to complain of. @returns what the check says */
  async stopAndCheck(): Promise<string> {
    const stopped = await this.#daemon.stop();
    assert.deepEqual([stopped.code, stopped.plain], [0, []], stopped.stderr);
    const { code, stdout, stderr } = await checkReal(this.#places);
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.match(stdout, /^no damage$/m);
    assert.doesNotMatch(stdout, /torn tail/);
    return stdout;
  }

  /** For the end of a suite, however it went. */
  async remove(): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
    this.#places.remove();
  }

  get residentBytes(): number {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#daemon.pid}/status`, 'utf8'));
    return Number(line?.[1]) * 1024;
  }

  /**
   * What the daemon holds open. Files of the arena come and go as it is cleaned, so they are left out; but those that
   * are open and no longer in the folder count, since their memory is free only when they are closed.
   */
  get descriptors(): number {
    const folder = `/proc/${this.#daemon.pid}/fd`;
    const parts = path.join(realpathSync(this.#places.arena), 'shard-');
    return readdirSync(folder).filter((name) => {
      const target = linkOf(path.join(folder, name));
      return target !== undefined && !(/\d$/.test(target) && target.startsWith(parts));
    }).length;
  }
}

/** Undefined when it was closed meanwhile. */
function linkOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor);
  } catch {
    return undefined;
  }
}
