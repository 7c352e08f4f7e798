import { addUp, type Claimant, type ClaimantGuest, type VictimPolicy, yields } from './claimant.js';

/**
 * Xen's victims by weight, as its documents meant them (R44) and its code did not (R45): a requester over its quota
 * gives a page of its own, else the oldest of all ephemeral pages goes. Nobody but the requester is examined (R46),
 * and persistent pages never go (R42). Quotas are shares of bytes as stored, among the guests that claim any.
 *
 * Not the default: it knows nothing of what a page is worth, and costs up to twice what one list for all would.
 */
export class Weighted implements VictimPolicy {
  choose(claimants: readonly Claimant[], requester: ClaimantGuest | null): Claimant | null {
    addUp(claimants);
    const own = requester !== null && isOverQuota(claimants, requester);
    return (own ? oldest(claimants, requester) : null) ?? oldest(claimants, null);
  }

  /** The older the cheaper: nothing else is known of a page here. */
  valueOf({ order }: Claimant): number {
    return 1 / (1 + order.victimQueue!.oldestAge);
  }
}

/** Over quota iff mine * total weight > global * weight: a share of bytes above the share of weights. */
function isOverQuota(claimants: readonly Claimant[], requester: ClaimantGuest): boolean {
  if (requester.weight === 0) return false;
  let mine = 0;
  let global = 0;
  let totalWeight = 0;
  for (let at = 0; at < claimants.length; at++) {
    const { guest, kind, order } = claimants[at]!;
    if (isFirstOf(claimants, at)) totalWeight += guest.weight;
    if (kind !== 'ephemeral') continue;
    global += order.bytes;
    if (guest === requester) mine += order.bytes;
  }
  return mine * totalWeight > global * requester.weight;
}

/** A guest with several claimants has one weight. */
function isFirstOf(claimants: readonly Claimant[], place: number): boolean {
  const { guest } = claimants[place]!;
  for (let at = 0; at < place; at++) if (claimants[at]!.guest === guest) return false;
  return true;
}

/** The claimant whose next page was not used for longest: of one guest, or of all. */
function oldest(claimants: readonly Claimant[], of: ClaimantGuest | null): Claimant | null {
  let chosen: Claimant | null = null;
  let age = -1;
  for (let at = 0; at < claimants.length; at++) {
    const claimant = claimants[at]!;
    if (claimant.kind !== 'ephemeral' || (of !== null && claimant.guest !== of) || !yields(claimant)) continue;
    const itsAge = claimant.order.victimQueue!.oldestAge;
    if (itsAge <= age) continue;
    chosen = claimant;
    age = itsAge;
  }
  return chosen;
}
