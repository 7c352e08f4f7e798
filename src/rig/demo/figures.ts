/** What the demo shows and sums up, as plain data: made by those who look, read by the views and the verdict. */

/** `waits`: the guest's requests are not answered, because there is no daemon. */
export type GuestState = 'boots' | 'fills' | 'works' | 'waits' | 'looks back' | 'done';

export interface GuestFigures {
  readonly name: string;
  readonly state: GuestState;
  readonly memoryMib: number;
  /** What it keeps in this memory. */
  readonly dataMib: number;
  /** Faults a second that waited for swap, by the guest's own count. */
  readonly faultsPerSecond: number;
  /** Pages since boot, by the guest's own count. */
  readonly swapIns: number;
  readonly pagesVerified: number;
  readonly bad: number;
}

export interface StoreFigures {
  readonly alive: boolean;
  /** Of all guests, uncompressed pages. */
  readonly storedPages: number;
  /** What they take. */
  readonly storedBytes: number;
  /** Null where there is no way out of memory. */
  readonly spilledPages: number | null;
  /** Host memory: files of the arena, and the daemon's own. */
  readonly arenaBytes: number;
  readonly daemonBytes: number;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
}

export interface Figures {
  /** Since the demo began. */
  readonly seconds: number;
  /** What is happening, in words. */
  readonly doing: string;
  readonly guests: readonly GuestFigures[];
  /** Undefined before the first look. */
  readonly store: StoreFigures | undefined;
}
