import type { CommitOutcome } from './commit-outcome.js';

/**
 * What lies between "written" and "outlives the host", where these are two things: an arena on a disk. It is a port of
 * every layer from the engine to the block server, because a sync takes as long as the disk takes, and nobody else may
 * wait for it.
 */
export interface Durability {
  /**
   * Calls back when everything that was committed before outlives a power loss; within the call where it does already.
   * `fault`: it does not, and this store will not vouch for anything until it is started again. One sync serves all
   * that wait for it.
   */
  sync(done: (outcome: CommitOutcome) => void): void;

  /**
   * Whether a change has to wait, because room that has been made is not safe to be used before a sync. Then `resume` is
   * called once, when it is time to ask again. Once a batch has begun it need not wait.
   */
  mustWait(resume: () => void): boolean;
}
