/** What is counted of a pool. Counters only grow; they inform, and nothing is decided by them. */
export interface PoolStatistics {
  puts: number;
  putsDone: number;
  /** Of those done: puts in place of a page that was there (R15, R18). */
  duplicatesReplaced: number;
  /** Duplicate puts that were refused, so that the old page was flushed as well (R15). */
  duplicatesFlushed: number;
  /** Refused because the arena had no room (R76 counts them as "nomem"). */
  putsNoMemory: number;
  /** Refused because the client may not store more (R25). */
  putsOverCap: number;
  /** Fresh puts that were refused because the client was frozen (R20). */
  putsFrozen: number;
  /** Puts whose page was none (R22). */
  putsFaulty: number;
  /** Puts that had room and were lost, because the files failed their batch for another reason than room. */
  putsFailed: number;
  gets: number;
  getsHit: number;
  /** Pages flushed one by one, and ranges flushed whole. */
  flushes: number;
  objectFlushes: number;
  /** Pages that were given up to make room (R42). Where gets are destructive each of their puts was wasted. */
  evicted: number;
  verifyFailures: number;
}

export function noStatistics(): PoolStatistics {
  return {
    puts: 0,
    putsDone: 0,
    duplicatesReplaced: 0,
    duplicatesFlushed: 0,
    putsNoMemory: 0,
    putsOverCap: 0,
    putsFrozen: 0,
    putsFaulty: 0,
    putsFailed: 0,
    gets: 0,
    getsHit: 0,
    flushes: 0,
    objectFlushes: 0,
    evicted: 0,
    verifyFailures: 0,
  };
}
