/** How a connection's bytes come and go, whichever way they are carried. */
import type { Address } from '../../../base/ids.js';

/** One connection as its session sees it. All methods may be called in any state and then do nothing. */
export interface Transport {
  /** Begins to read. */
  start(): void;
  /**
   * Sends `[from, from + bytes)` of the kernel's memory; afterwards the region is free again.
   *
   * @returns false when the client does not keep up: a copy of the rest is queued, and until
   *   {@link TransportUser.drained} there must be no other send
   */
  send(from: Address, bytes: number): boolean;
  /** Reads on, after {@link TransportUser.received} has said no. */
  resume(): void;
  /** Closes once what was sent has left; not at all if the client never takes it. */
  end(): void;
  /** Closes now. */
  destroy(): void;
}

/** What a transport tells its session, and asks it. */
export interface TransportUser {
  /** Whether others wait while this one reads: then it reads no more at once than it can use in a turn. */
  readonly isInCompany: boolean;
  /**
   * `bytes` have arrived at the start of the read area, which is the session's until it returns.
   *
   * @returns false to hear of no more until `resume`
   */
  received(bytes: number): boolean;
  drained(): void;
  /** Once, whatever the reason, and nothing after it. */
  closed(): void;
}

export type TransportKind = 'onread' | 'stream';
