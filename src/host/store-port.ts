/**
 * The store as the host sees it: a port with nothing behind it that the host knows of. In the daemon a worker thread
 * answers, in the lab a shard in the same thread, in tests a fake.
 */
import type { ExportSpec, GuestLimits, Recovered, ShardOptions, ShardStatus } from '../base/shard-port.js';

export interface StorePort {
  /** Recovers the arena and listens; afterwards every export accepts. Rejects with E_ARENA_* or E_SOCKET_BUSY. */
  open(options: ShardOptions): Promise<Recovered>;

  status(): Promise<ShardStatus>;

  /** Afterwards the export accepts. Its pool may hold pages from an earlier life: they are served. */
  addExport(spec: ExportSpec): Promise<void>;

  /** Clients are disconnected, the socket goes, the pages stay: a config line taken out is not a death. */
  removeExport(guest: string, name: string): Promise<void>;

  /** Pages over a lowered cap stay; puts are refused until there is room. */
  setCap(limits: GuestLimits): Promise<void>;

  /** Answers at once unless the shard hangs. */
  ping(): Promise<void>;

  /** Tells clients to go, writes what is pending, removes the sockets. Afterwards only {@link open} would mean something. */
  stop(): Promise<void>;
}
