/**
 * The store as the host sees it: a port with nothing behind it that the host knows of. In the daemon a worker thread
 * answers, in the lab a shard in the same thread, in tests a fake.
 */
import type { ExportSpec, Forgotten, GuestLimits, Recovered, ShardStatus, StoreOptions } from '../base/shard-port.js';

export interface StorePort {
  /** Recovers the arena and listens; afterwards every export accepts. Rejects with E_ARENA_* or E_SOCKET_BUSY. */
  open(options: StoreOptions): Promise<Recovered>;

  status(): Promise<ShardStatus>;

  /** Afterwards the export accepts. Its pool may hold pages from an earlier life: they are served. */
  addExport(spec: ExportSpec): Promise<void>;

  /**
   * Clients are disconnected, the socket goes, the pages stay: a config line taken out is not a death. Rejects with
   * E_IN_USE where there are clients, unless `force` says that they do not count.
   */
  removeExport(guest: string, name: string, force: boolean): Promise<void>;

  /** Pages over a lowered cap stay; puts are refused until there is room. */
  setLimits(limits: GuestLimits): Promise<void>;

  /** One guest, or with null all that the store knows now (R66, R67). Frozen, it gets no new page until it is thawed. */
  freeze(guest: string | null, frozen: boolean): Promise<void>;

  /** A death, the only one there is: exports and pools go, persistent ones included (R9). Rejects as `removeExport`. */
  removeGuest(guest: string, force: boolean): Promise<Forgotten>;

  /** Its pages go, the pool stays. Rejects with E_NOT_FOUND, and as `removeExport` of its export. */
  flushPool(guest: string, pool: string, force: boolean): Promise<Forgotten>;

  /** Rejects with E_NOT_FOUND, and with E_IN_USE while an export serves it. */
  destroyPool(guest: string, pool: string): Promise<Forgotten>;

  /** Answers at once unless a shard hangs. */
  ping(): Promise<void>;

  /** Tells clients to go, writes what is pending, removes the sockets. Afterwards only {@link open} would mean something. */
  stop(): Promise<void>;
}
