/**
 * What the host administrator can change in a running daemon: a port with HTTP on one side and the composition on the
 * other. None of it is written to the config. Only the administrator's doors lead here; guests' sockets do not (R84).
 *
 * Changes are carried out one after the other, in the order in which they came.
 */
import type { Forgotten } from '../base/shard-port.js';

/** What is left out stays as it is; null is none. */
export interface GuestSettings {
  readonly capBytes?: number | null;
  readonly weight?: number;
  readonly reservationBytes?: number | null;
}

/** What went, and whether the config names it, so that it comes back with the next reread or restart. */
export interface Removed {
  readonly exports: readonly string[];
  readonly inConfig: boolean;
}

/** Each rejects with E_NOT_FOUND for what is not there, naming the nearest that is. */
export interface HostControl {
  /** Of a guest that is served: an orphaned one has nothing that could be limited, E_DENIED. */
  setGuest(guest: string, settings: GuestSettings): Promise<void>;

  /** One, or with null all that there are now. Ends with the daemon. */
  freeze(guest: string | null, frozen: boolean): Promise<void>;

  /**
   * A guest's only death: exports, pools and pages go. E_IN_USE where a client is connected to one of its exports,
   * unless `force` says that it does not count.
   */
  removeGuest(guest: string, force: boolean): Promise<Removed & Forgotten>;

  /**
   * E_IN_USE where the name or the spill file is taken; E_USAGE for a bad name, size or path; E_SOCKET_*; E_SPILL;
   * E_DENIED where the guest is frozen.
   *
   * @param spill - absolute path of its spill file; null for none
   */
  addExport(guest: string, name: string, sizeBytes: number, spill: string | null): Promise<void>;

  /** The pool is kept: adding the export again brings its pages back. E_IN_USE as {@link HostControl.removeGuest}. */
  removeExport(guest: string, name: string, force: boolean): Promise<Removed>;

  /** All its pages. E_IN_USE as {@link HostControl.removeGuest}, of the export that serves it. */
  flushPool(guest: string, pool: string, force: boolean): Promise<Forgotten>;

  /** E_IN_USE while an export serves it, whoever is connected. */
  destroyPool(guest: string, pool: string): Promise<Forgotten>;
}
