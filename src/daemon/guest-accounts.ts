/** The accounts of guests whose limits hold over several shards: made with the first limit, changed with each. */
import { GuestAccount } from '../base/guest-account.js';
import type { GuestLimits, ShardLimits } from '../base/shard-port.js';

interface Known {
  readonly account: GuestAccount;
  capBytes: number | null;
}

export class GuestAccounts {
  readonly #parts: number;
  readonly #known = new Map<string, Known>();
  #serial = 0;

  /** @param parts - one more than the highest number of a part */
  constructor(parts: number) {
    this.#parts = parts;
  }

  /** The new limits are in force where shards have been told. @returns what to tell them */
  set(limits: GuestLimits): ShardLimits {
    const { guest, capBytes, reservationBytes } = limits;
    if (capBytes === null && reservationBytes === null) {
      this.#known.delete(guest);
      return { ...limits, account: null };
    }
    let known = this.#known.get(guest);
    if (known === undefined || (known.capBytes === null) !== (capBytes === null)) {
      // Without a cap nothing was owed: shards begin anew, with what they have stored.
      known = { account: GuestAccount.of(this.#parts, ++this.#serial), capBytes: 0 };
      this.#known.set(guest, known);
    }
    known.account.repay((capBytes ?? 0) - (known.capBytes ?? 0));
    known.capBytes = capBytes;
    return { ...limits, account: known.account.memory };
  }

  /** Whether more is lent than the guest may have: then what was lent meanwhile must be repaid. */
  isOverdrawn(guest: string): boolean {
    return (this.#known.get(guest)?.account.leftBytes ?? 0) < 0;
  }

  /** The guest is no more. */
  forget(guest: string): void {
    this.#known.delete(guest);
  }
}
