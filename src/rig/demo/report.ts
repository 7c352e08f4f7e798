/** What comes out of a demo: the document of `tmem demo --json`, and whether it was a success. */

export interface DemoReport {
  readonly v: 1;
  readonly guests: readonly DemoGuestReport[];
  readonly kills: readonly DemoKill[];
  /** Each time that memory was taken away. */
  readonly spills: readonly DemoSpill[];
  /** Most at any look, over all guests. */
  readonly peak: { readonly stored_pages: number; readonly stored_bytes: number };
}

export interface DemoGuestReport {
  readonly name: string;
  /** Whole visits of all of its pages, the last look included. */
  readonly rounds: number;
  readonly pages_verified: number;
  readonly bad: number;
  /** Pages, by the guest kernel's count (`pswpin`). */
  readonly swap_ins: number;
  /** Of these, after the last kill. */
  readonly swap_ins_after_kill: number;
  /** Read requests that the daemon started after the last kill has answered, by its own count. */
  readonly reads_after_kill: number;
}

export interface DemoKill {
  /** Since the demo began. */
  readonly at_s: number;
  /** From the kill to the moment when the sockets accept again. */
  readonly down_s: number;
  /**
   * Requests that the guests' kernels had sent and the daemon had not answered when it was killed. A guest too short of
   * memory to say counts as none.
   */
  readonly in_flight: number;
}

export interface DemoSpill {
  /** Since the demo began. */
  readonly at_s: number;
  /** From when memory was taken away to when it was given back. */
  readonly taken_s: number;
  /** What the guests had stored in memory when it was taken away, and when it was given back. */
  readonly stored_bytes_before: number;
  readonly stored_bytes_after: number;
  /** Host memory that the arena took then. */
  readonly arena_bytes_before: number;
  readonly arena_bytes_after: number;
  /** In the spill files when memory was given back. */
  readonly spilled_pages: number;
  /** Fewer than these when the demo stopped waiting for them: read by their guest, or written anew. */
  readonly returned_pages: number;
}

/** Why it was no success, in a sentence; undefined when every guest is right and has swapped after a kill. */
export function demoFailure({ guests, kills }: DemoReport): string | undefined {
  if (guests.length === 0) return 'no guest has run';
  if (kills.length === 0) return 'the daemon was not killed, so nothing was shown';
  for (const guest of guests) {
    const { name, bad, pages_verified, swap_ins_after_kill, reads_after_kill } = guest;
    // Written so that a figure that is missing, NaN, fails as well.
    if (bad !== 0) return `${name} found ${bad} wrong pages`;
    if (!(pages_verified > 0)) return `${name} has verified nothing`;
    if (!(swap_ins_after_kill > 0)) return `${name} has swapped nothing in after the kill`;
    if (!(reads_after_kill > 0)) return `the daemon was not read by ${name} after the kill`;
  }
  return undefined;
}
