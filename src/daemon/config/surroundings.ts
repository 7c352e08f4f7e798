/** What the machine tells the config: who we are, how much memory there is, what kind of file system a path is on. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, lstatSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KIB } from '../../base/units.js';

export interface Surroundings {
  readonly uid: number;
  readonly runtimeDir: string | undefined;
  readonly tempDir: string;
  /** The config file that is read when none is named. */
  readonly configFile: string;
  memAvailableBytes(): number;
  /** The file system that `path` is on, or would be on if it were made. */
  fileSystemOf(path: string): FileSystem;
  /** Bytes of the regular files under `path`; 0 where there is nothing. */
  bytesUnder(path: string): number;
  /** Uid of a user's name; undefined for nobody. */
  uidOf(user: string): number | undefined;
}

export interface FileSystem {
  readonly tmpfs: boolean;
  /** Infinity for a tmpfs without a limit. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Whether its directory, or the nearest one that exists above it, may be written by us. */
  readonly writable: boolean;
}

const TMPFS_MAGIC = 0x01021994;

export const thisMachine: Surroundings = {
  uid: process.getuid!(),
  runtimeDir: process.env['XDG_RUNTIME_DIR'],
  tempDir: tmpdir(),
  configFile: '/etc/tmem/tmem.toml',

  memAvailableBytes(): number {
    const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
    return match === null ? 0 : Number(match[1]) * KIB;
  },

  fileSystemOf(place: string): FileSystem {
    const existing = nearestExisting(place);
    const { type, bsize, blocks, bavail } = statfsSync(existing);
    return {
      tmpfs: type === TMPFS_MAGIC,
      totalBytes: blocks === 0 ? Infinity : blocks * bsize,
      freeBytes: blocks === 0 ? Infinity : bavail * bsize,
      writable: mayWrite(existing),
    };
  },

  bytesUnder(place: string): number {
    let names: string[];
    try {
      names = readdirSync(place);
    } catch {
      return 0;
    }
    let bytes = 0;
    for (const name of names) {
      const entry = lstatSync(path.join(place, name), { throwIfNoEntry: false });
      if (entry?.isDirectory() === true) bytes += this.bytesUnder(path.join(place, name));
      else if (entry?.isFile() === true) bytes += entry.blocks * 512;
    }
    return bytes;
  },

  /** The local file first, then `id`, which also asks whatever else the machine knows users from. */
  uidOf(user: string): number | undefined {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name, , uid] = line.split(':');
      if (name === user && uid !== undefined) return Number(uid);
    }
    try {
      const answer = execFileSync('id', ['-u', '--', user], { stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000 });
      return Number(answer.toString().trim());
    } catch {
      return undefined;
    }
  },
};

function nearestExisting(place: string): string {
  let at = path.resolve(place);
  while (!existsSync(at) && at !== '/') at = path.dirname(at);
  return at;
}

function mayWrite(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
