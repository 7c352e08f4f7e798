import { type GuestAccount, loanBytesOf } from '../base/guest-account.js';
import { CHARGED_BYTES_MAX } from '../base/units.js';

/**
 * What a client may store in this shard of a cap that counts over all shards: it is lent, in shares of some sixty pages,
 * by the guest's account, and what is not used goes back. A put that finds the share too small borrows within the call.
 */
export class ClientCredit {
  readonly account: GuestAccount;
  #loanBytes: number;
  #lent: number;

  /** @param storedBytes - what the client has stored here, whatever the cap says */
  constructor(account: GuestAccount, capBytes: number, storedBytes: number) {
    this.account = account;
    this.#loanBytes = loanBytesOf(capBytes);
    this.#lent = storedBytes;
    account.charge(storedBytes);
  }

  /** The part of the cap that is lent to this shard. */
  get lentBytes(): number {
    return this.#lent;
  }

  /** Bytes that the client may still grow by, with what `usedBytes` leave; enough for `wantedBytes` if it can be had. */
  room(usedBytes: number, wantedBytes: number): number {
    const room = this.#lent - usedBytes;
    if (room >= wantedBytes) return room;
    const lent = this.account.borrow(Math.max(this.#loanBytes, wantedBytes - room));
    this.#lent += lent;
    return room + lent;
  }

  /** Bytes that could be had with what `usedBytes` leave, as things are. Nothing is borrowed. */
  spare(usedBytes: number): number {
    return this.#lent - usedBytes + this.account.leftBytes;
  }

  /** Repays what idles beyond the next few pages, all of it where others lack credit. Between batches. */
  settle(storedBytes: number): void {
    const idle = this.#lent - storedBytes;
    if (this.account.isWanted) this.repay(storedBytes);
    else if (idle > 2 * this.#loanBytes) this.#repay(idle - this.#loanBytes);
  }

  /** The cap is another. All that idles is repaid. */
  resize(capBytes: number, storedBytes: number): void {
    this.#loanBytes = loanBytesOf(capBytes);
    this.repay(storedBytes);
  }

  /** Repays all that idles. */
  repay(storedBytes: number): void {
    this.#repay(this.#lent - storedBytes);
  }

  #repay(bytes: number): void {
    if (bytes <= 0) return;
    this.#lent -= bytes;
    this.account.repay(bytes);
  }
}

/** What the next page of a batch may need, however badly it compresses. */
export function nextPageBytes(pendingBytes: number): number {
  return Math.max(0, pendingBytes) + CHARGED_BYTES_MAX;
}
