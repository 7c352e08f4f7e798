/**
 * What may have to be waited for, where pages leave the store and come back: a port of every layer from tmem to the block
 * server. Nobody is kept waiting by it but who asked for such a page.
 */

/**
 * `coming`: it is being read. `here`: read, and what was stored. `gone`: the page is in the store again, or another one is,
 * or none: ask the store. `failed`: its file cannot be read; asking again may help. `damaged`: what was read is not what
 * was stored.
 */
export type FetchState = 'coming' | 'here' | 'gone' | 'failed' | 'damaged';

/** A page on its way back. Held by whoever asked for it until it is released. */
export interface FetchedPage {
  readonly state: FetchState;
  /** The page, if it is here. */
  readonly bytes: Uint8Array;
  release(): void;
}

export interface Elsewhere {
  /** Whether the page has to be fetched before it can be read, or changed in part. */
  isAway(page: number): boolean;

  /** Of a page that is away. `arrived` is called once, when it is not `coming` any more, and not within the call. */
  fetch(page: number, arrived: () => void): FetchedPage;

  /** After a change was refused for now: `resume` is called once, when it is time to try again: perhaps within the call. */
  waitForRoom(resume: () => void): void;
}
