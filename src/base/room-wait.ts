/**
 * Where a change may have to wait because room for it is on its way: a port of the layers from the shard to the block
 * server. Nobody else waits with it.
 */
export interface RoomWait {
  /**
   * Whether a change has to wait. Then `resume` is called once, when it is time to ask again. Once a batch has begun it
   * need not wait.
   */
  mustWait(resume: () => void): boolean;
}
