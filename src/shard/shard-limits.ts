/** What the administrator says of guests, in force in one shard: caps, reservations, weights, alone or with others. */
import { GuestAccount } from '../base/guest-account.js';
import type { ShardLimits } from '../base/shard-port.js';
import { ClientCredit } from '../tmem/client-credit.js';
import type { Tmem } from '../tmem/tmem.js';
import type { TmemClient } from '../tmem/tmem-client.js';

export class LimitsInForce {
  readonly #tmem: Tmem;
  readonly #part: number;
  /** Of the guests that have limits over several shards. */
  readonly #accounts = new Map<string, GuestAccount>();

  /** @param part - as which the shard counts in accounts */
  constructor(tmem: Tmem, part: number) {
    this.#tmem = tmem;
    this.#part = part;
  }

  /** Whatever idles of a cap is repaid: so that, asked of all shards, nothing grows before it may by the new one. */
  set({ guest, capBytes, weight, reservationBytes, account }: ShardLimits): void {
    const client = this.#tmem.client(guest);
    client.capBytes = capBytes ?? Infinity;
    client.claims.weight = weight;
    client.claims.capBytes = capBytes ?? Infinity;
    client.claims.reservationBytes = reservationBytes ?? 0;
    const shared = account === null ? undefined : new GuestAccount(account);
    if (shared === undefined) client.claims.elsewhereBytes = 0;
    if (shared === undefined) this.#accounts.delete(guest);
    else this.#accounts.set(guest, shared);
    client.credit = shared === undefined || capBytes === null ? null : creditOf(client, shared, capBytes);
  }

  /** The guest is no more. */
  forget(guest: string): void {
    this.#accounts.delete(guest);
  }

  /** Says what is held here and hears what is held elsewhere; repays what others lack. */
  exchange(): void {
    for (const [guest, account] of this.#accounts) {
      const client = this.#tmem.clients.get(guest);
      if (client === undefined) continue;
      account.hold(this.#part, this.#tmem.heldBytesOf(client));
      client.claims.elsewhereBytes = account.heldElsewhere(this.#part);
      if (account.isWanted) client.settleCredit();
    }
  }
}

function creditOf(client: TmemClient, account: GuestAccount, capBytes: number): ClientCredit {
  const { credit } = client;
  if (credit?.account.serial !== account.serial) return new ClientCredit(account, capBytes, client.storedBytes);
  credit.resize(capBytes, client.storedBytes);
  return credit;
}
