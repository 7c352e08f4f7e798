/**
 * Between a shard that has no room and those that may have some: asks all others what they could do, and has the one that
 * loses least do it. Nothing is remembered between two wishes; what a shard has promised to nobody it may use itself.
 */
import type { RoomOffer, RoomWish } from '../base/shard-room.js';

/** A shard, as far as room goes. */
export interface RoomPeer {
  offerRoom(): Promise<RoomOffer>;
  giveRoom(wish: RoomWish): Promise<number>;
}

/** @returns bytes that are free now: at least those wished for, unless all together have less to give */
export async function findRoom(wish: RoomWish, peers: readonly RoomPeer[]): Promise<number> {
  const offers = await Promise.all(peers.map(async (peer) => ({ peer, offer: await offerOf(peer) })));
  let given = 0;
  for (const { peer } of inOrder(offers, wish.price)) {
    if (given >= wish.bytes) break;
    given += await givenBy(peer, { ...wish, bytes: wish.bytes - given });
  }
  return given;
}

/** First those with segments to spare, the most first; then those whose pages are worth less, the least first. */
function inOrder<T extends { readonly offer: RoomOffer }>(offers: readonly T[], price: number): T[] {
  const spare = offers.filter(({ offer }) => offer.spareBytes > 0);
  const cheaper = offers.filter(({ offer }) => offer.spareBytes === 0 && offer.price < price);
  return [
    ...spare.toSorted((a, b) => b.offer.spareBytes - a.offer.spareBytes),
    ...cheaper.toSorted((a, b) => a.offer.price - b.offer.price),
  ];
}

/** A shard that stops meanwhile has nothing to give. */
async function offerOf(peer: RoomPeer): Promise<RoomOffer> {
  try {
    return await peer.offerRoom();
  } catch {
    return { spareBytes: 0, price: Infinity };
  }
}

async function givenBy(peer: RoomPeer, wish: RoomWish): Promise<number> {
  try {
    return await peer.giveRoom(wish);
  } catch {
    return 0;
  }
}
