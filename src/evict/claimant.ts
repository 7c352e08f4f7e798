/** Who holds pages that may go, and how one of them is chosen when the store needs room. */
import { STORED_BYTES_MAX } from '../base/units.js';
import type { EvictionOrder } from './eviction-order.js';
import type { ReuseCurve } from './reuse-curve.js';

/** What the host administrator says of a guest; it may change at any time. */
export interface ClaimantGuest {
  /** Its share under `weighted`, 0 or more; 0 is never over quota (R44). Without effect elsewhere. */
  weight: number;
  /** Its pages are not taken below this many bytes as stored. */
  reservationBytes: number;
  /** Above this many bytes as stored its pages go before those of others; Infinity is no cap. */
  capBytes: number;
  /** What its gets say of larger sizes, or null: then a queue is worth what its own tail shows. */
  curve: ReuseCurve | null;
  /** What it holds in other shards, as they said last: it counts against these limits as well. */
  elsewhereBytes: number;
  /** What all its claimants hold: written by {@link addUp}, with what it holds elsewhere. */
  heldBytes: number;
  heldPages: number;
}

/** Pages of one guest and one kind, in one order. */
export interface Claimant {
  readonly guest: ClaimantGuest;
  readonly kind: 'ephemeral' | 'persistent';
  /** What a get costs that no longer finds its page here, in microseconds: a read of the image, of the spill file. */
  readonly price: number;
  readonly order: EvictionOrder;
  /** Persistent pages only go where there is a spill file with room for them. */
  readonly mayYield: boolean;
}

/** Which claimant gives a page now: its order says which one. */
export interface VictimPolicy {
  /**
   * `requester` is the guest that needs the room, null when it is the host. O(claimants), no allocation; the same
   * claimants in the same state give the same answer, the first of equals.
   *
   * @returns null when nobody has a page to give (R49)
   */
  choose(claimants: readonly Claimant[], requester: ClaimantGuest | null): Claimant | null;

  /** What its next page is worth, for shards to compare whose goes. Not of an empty order. */
  valueOf(claimant: Claimant): number;
}

/** Brings what the guests hold up to date. */
export function addUp(claimants: readonly Claimant[]): void {
  for (let at = 0; at < claimants.length; at++) {
    const { guest } = claimants[at]!;
    guest.heldBytes = guest.elsewhereBytes;
    guest.heldPages = 0;
  }
  for (let at = 0; at < claimants.length; at++) {
    const { guest, order } = claimants[at]!;
    guest.heldBytes += order.bytes;
    guest.heldPages += order.pages;
  }
}

/** Whether a page of the claimant may go, whoever needs the room. */
export function yields({ guest, order, mayYield }: Claimant): boolean {
  if (!mayYield || order.pages === 0) return false;
  return guest.reservationBytes === 0 || guest.heldBytes - STORED_BYTES_MAX >= guest.reservationBytes;
}
