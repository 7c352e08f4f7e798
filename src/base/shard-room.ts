/**
 * What shards say when one has no room and others may: plain data between threads. The shard that needs a segment says
 * so once, the host asks the others for offers, and the one that loses least gives a segment up.
 */

/** A shard would refuse pages, or has to give up some of its own. */
export interface RoomWish {
  readonly bytes: number;
  /** What the page is worth that it would have to give up itself; Infinity where there is none, and puts are refused. */
  readonly price: number;
}

/** What another could do. */
export interface RoomOffer {
  /** Bytes of segments that it does not need for what it stores. */
  readonly spareBytes: number;
  /** What the next of its pages is worth that it could give up, by the same measure; Infinity where there is none. */
  readonly price: number;
}

/** What became of it. */
export interface RoomGiven {
  readonly givenBytes: number;
}
