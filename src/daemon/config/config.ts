/** Everything the daemon is told, decided: no default is left to find. */
import type { Warning } from '../../base/status.js';
import type { LogLevel } from '../../base/shard-port.js';
import type { HttpAddress } from './http-address.js';

export interface Config {
  /** The file that was read, if any. */
  readonly file: string | null;
  readonly runDir: string;
  /** Nobody named it. */
  readonly runDirIsDefault: boolean;
  readonly arena: ArenaPlace;
  readonly capacityBytes: number;
  readonly capacityIsDefault: boolean;
  /** Threads that serve exports. */
  readonly workers: number;
  /** Null is no HTTP over TCP. */
  readonly http: HttpAddress | null;
  /** What a token over TCP must hash to; null allows no changes there. */
  readonly tokenDigest: Uint8Array | null;
  readonly logLevel: LogLevel;
  readonly guests: readonly GuestConfig[];
  readonly warnings: readonly Warning[];
}

export interface ArenaPlace {
  readonly path: string;
  readonly fs: 'tmpfs' | 'disk';
  /** Nobody named it, and its parent is open to everybody: it must turn out to be ours. */
  readonly isDefault: boolean;
}

export interface GuestConfig {
  readonly name: string;
  readonly kind: 'vm' | 'process';
  readonly weight: number;
  readonly capBytes: number | null;
  readonly reservationBytes: number | null;
  /** Who may open the sockets; null leaves them to us alone. */
  readonly ownerUid: number | null;
  readonly exports: readonly ExportConfig[];
  /** The file does not name it: it came with its first export. */
  readonly atRunTime?: true;
}

export interface ExportConfig {
  readonly guest: string;
  /** Its own name; in documents it is called `GUEST/NAME`. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly socket: string;
  /** Its spill file, absolute; null for none. */
  readonly spill: string | null;
  /** The trust domain in which it shares pages; null: it shares none. */
  readonly domain: string | null;
  /** The file does not name it: a command added it. */
  readonly atRunTime?: true;
}

/** What the command line says, which goes before what the file says. */
export interface ServeFlags {
  readonly config?: string | undefined;
  readonly runDir?: string | undefined;
  readonly arena?: string | undefined;
  readonly capacityBytes?: number | undefined;
  readonly http?: HttpAddress | 'off' | undefined;
  readonly logLevel?: LogLevel | undefined;
}
