/**
 * Whose turn it is. A shard has one thread; what a connection does at once is a turn, and what is left over after it
 * waits here. All that wait share one allowance per round of the event loop, so between two rounds every socket is
 * looked at again, and a small request that arrives meanwhile is answered at once: with any number of greedy
 * connections, a modest one waits for one allowance, not for one of each.
 *
 *      poll  → modest requests, answered in place; greedy ones are put aside
 *      check → one allowance of what was put aside, round robin      (setImmediate)
 *      poll  → ...
 *
 * The allowance is counted in pages, since a page is what costs: about 3 us to read, 8 us to store. Alone on its shard
 * a connection has {@link TURN_PAGES}, half a millisecond, beside which the costs of a turn vanish. In company all
 * have {@link SHARED_PAGES}, so that a neighbour at depth 1, whose own round trip is 25 us, waits for about one of
 * those at most. That costs the greedy some 15 % (a round of the loop 3 us, a commit 2 us, for 30 us of work).
 * Company is counted in turns, not in time: no clock is read per request.
 */

import { Polling } from './polling.js';

/** Pages that a connection may move in one turn while it is alone. */
export const TURN_PAGES = 64;

/** Pages that all waiting connections together may move between two looks at the sockets. */
export const SHARED_PAGES = 4;

/** A neighbour counts as gone after this many turns without it: at 50 us each, 25 ms. */
const COMPANY_TURNS = 512;

export interface TurnTaker {
  /** Set by {@link Turns} alone. */
  waiting: boolean;
  /** Goes on with what it has. @returns pages moved, at most about `pages` */
  takeTurn(pages: number): number;
}

export class Turns {
  readonly #queue: TurnTaker[] = [];
  #scheduled = false;
  #turn = 0;
  #companyUntil = 0;
  #latest: TurnTaker | undefined;
  #inARow = false;
  readonly #polling: Polling;
  readonly #round = (): void => this.#runRound();

  constructor(polling: Polling = new Polling()) {
    this.#polling = polling;
  }

  /** To be told of each turn that input from a socket begins. @returns the pages it may move */
  begin(taker: TurnTaker): number {
    this.#inARow = this.#polling.onInput();
    this.#count(taker);
    return this.allowance;
  }

  #count(taker: TurnTaker): void {
    this.#turn++;
    if (this.#latest !== taker) {
      if (this.#latest !== undefined) this.#companyUntil = this.#turn + COMPANY_TURNS;
      this.#latest = taker;
    }
  }

  get allowance(): number {
    return this.shared ? SHARED_PAGES : TURN_PAGES;
  }

  /** Whether the turn that began last followed another without a pause. */
  get inARow(): boolean {
    return this.#inARow;
  }

  /** Whether more than one connection was at work lately. */
  get shared(): boolean {
    return this.#turn < this.#companyUntil;
  }

  /** Has `takeTurn` called soon. Asking twice is asking once. */
  wait(taker: TurnTaker): void {
    if (taker.waiting) return;
    taker.waiting = true;
    this.#queue.push(taker);
    this.#schedule();
  }

  /** A connection that is gone must not be kept. */
  forget(taker: TurnTaker): void {
    if (this.#latest === taker) this.#latest = undefined;
    if (!taker.waiting) return;
    taker.waiting = false;
    this.#queue.splice(this.#queue.indexOf(taker), 1);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#round);
  }

  #runRound(): void {
    this.#scheduled = false;
    let pages = this.allowance;
    for (let takers = this.#queue.length; takers > 0 && pages > 0; takers--) {
      const taker = this.#queue.shift();
      if (taker === undefined) break;
      taker.waiting = false;
      this.#count(taker);
      // A turn that moves nothing still costs something.
      pages -= Math.max(1, taker.takeTurn(pages));
    }
    if (this.#queue.length > 0) this.#schedule();
  }
}
