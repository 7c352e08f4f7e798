/**
 * What the shards of an arena must know of a guest together, in memory that they share: what of its cap is lent to
 * nobody yet, and how much of it each shard holds.
 *
 *      word │ 0: serial │ 1: left of the cap │ 2: somebody lacks credit │ 3 + n: bytes that shard n holds │
 *
 * A shard borrows credit before it stores and repays what it does not use. Who borrows takes at once, whatever the
 * others do: nobody is asked, nobody waits. So the cap binds to the byte over all shards, since what is lent is never
 * more than the cap, and what idles with others is at most what they keep for their next few pages.
 */
import { CHARGED_BYTES_MAX } from './units.js';

/** Of the cap: what a shard keeps beyond what it uses is at most twice this part. */
const LOAN_SHARE = 1 / 64;

/** One loan lasts for some sixty pages; more would only idle. */
const LOAN_BYTES_MAX = 262_144;

const SERIAL = 0;
const LEFT = 1;
const WANTED = 2;
const HELD = 3;

export class GuestAccount {
  readonly memory: SharedArrayBuffer;
  readonly #words: BigInt64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new BigInt64Array(memory);
  }

  /** @param serial - tells it from the guest's former accounts */
  static of(shards: number, serial: number): GuestAccount {
    const bytes = (HELD + shards) * BigInt64Array.BYTES_PER_ELEMENT;
    const account = new GuestAccount(new SharedArrayBuffer(bytes));
    Atomics.store(account.#words, SERIAL, BigInt(serial));
    return account;
  }

  get serial(): number {
    return Number(Atomics.load(this.#words, SERIAL));
  }

  /** Of the cap, lent to nobody; below 0 where the cap is under what is stored. */
  get leftBytes(): number {
    return Number(Atomics.load(this.#words, LEFT));
  }

  /** Takes up to `bytes` of what is left. @returns how many */
  borrow(bytes: number): number {
    for (let left = Atomics.load(this.#words, LEFT); ;) {
      const lent = Math.min(bytes, Number(left));
      const isShort = lent < Math.min(bytes, CHARGED_BYTES_MAX);
      if (isShort || this.isWanted) Atomics.store(this.#words, WANTED, isShort ? 1n : 0n);
      if (lent <= 0) return 0;
      const found = Atomics.compareExchange(this.#words, LEFT, left, left - BigInt(lent));
      if (found === left) return lent;
      left = found;
    }
  }

  /** What is stored already is owed, whether it is left or not. */
  charge(bytes: number): void {
    Atomics.sub(this.#words, LEFT, BigInt(bytes));
  }

  repay(bytes: number): void {
    Atomics.add(this.#words, LEFT, BigInt(bytes));
  }

  /** Somebody could not borrow enough for a page: whatever idles is to be repaid. */
  get isWanted(): boolean {
    return Atomics.load(this.#words, WANTED) !== 0n;
  }

  /** What shard `of` holds of the guest, in bytes that may be asked back. */
  hold(of: number, bytes: number): void {
    Atomics.store(this.#words, HELD + of, BigInt(bytes));
  }

  /** What all shards but this one hold. */
  heldElsewhere(than: number): number {
    let sum = 0;
    for (let shard = 0; shard < this.#words.length - HELD; shard++) {
      if (shard !== than) sum += Number(Atomics.load(this.#words, HELD + shard));
    }
    return sum;
  }
}

/** Bytes that a shard borrows at once of this cap. */
export function loanBytesOf(capBytes: number): number {
  return Math.max(CHARGED_BYTES_MAX, Math.min(LOAN_BYTES_MAX, Math.floor(capBytes * LOAN_SHARE)));
}
