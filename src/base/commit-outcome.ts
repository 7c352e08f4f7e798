/**
 * How a batch ended: the one word that goes from the file system's answer up to the reply that a client reads, through
 * every layer between.
 */
import { systemCode } from './errors.js';

/** `full`: there was no room for it. `fault`: the files failed in another way. Of a batch that failed nothing is left. */
export const CommitOutcome = { done: 0, full: 1, fault: 2 } as const;
export type CommitOutcome = (typeof CommitOutcome)[keyof typeof CommitOutcome];

/** What ends when room is made. On tmpfs under a memory limit a lack of room can be ENOMEM. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'ENOMEM']);

/** Of a write that failed. @throws what is no system error: that is a mistake of ours */
export function outcomeOfFailure(error: unknown): CommitOutcome {
  const code = systemCode(error);
  if (code === undefined) throw error;
  return NO_ROOM.has(code) ? CommitOutcome.full : CommitOutcome.fault;
}
