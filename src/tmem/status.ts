/**
 * What a verb answers, in the numbers of the Xen ABI where it has one (tmem-list and old clients show them): positive
 * done, zero nothing there, negative refused.
 */
export const TmemStatus = {
  done: 1,
  /** Nothing stored under this handle (R26); a destroyed pool was not there (R6). */
  missing: 0,
  /** EPERM: the pool's attributes are not supported (R3). */
  notPermitted: -1,
  /** EIO: stored once, but what is there now cannot be vouched for. Ours: no earlier tmem could tell. */
  damaged: -5,
  /** ENOMEM: a fresh put was refused (R16). */
  noMemory: -12,
  /** EFAULT: the client's page is no page (R22). */
  fault: -14,
  /** ENODEV: no such pool (R6). */
  noDevice: -19,
  /** ENOSPC: a duplicate put was refused, and the old page flushed (R15, R16). */
  noSpace: -28,
  /** EFROZEN: a fresh put, a pool's creation refused (R20, R66), or a flush carried out (R36): the client is frozen. */
  frozen: -1000,
  /** EEMPTY: a get of a pool that holds no page (R30). */
  empty: -1001,
  /** The page has to be fetched first: see {@link TmemPool.spill}. Ours, as the next one. */
  elsewhere: -1002,
  /** Refused now; it may succeed when other pages have left the store. Nothing has changed. */
  later: -1003,
} as const;
export type TmemStatus = (typeof TmemStatus)[keyof typeof TmemStatus];
