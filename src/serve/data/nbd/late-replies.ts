/**
 * The replies of one connection that wait for a sync: of FLUSH, and of changes with FUA, where the store is on a disk. They
 * leave when the disk is done, in whatever turn of the connection comes then; meanwhile everything else goes on.
 *
 *      promised ──commit──▶ waiting ──sync ends──▶ due ──next turn──▶ sent
 *          └──commit fails: an error at once
 *
 * A FLUSH covers what was answered on any connection before it: the store is synced as a whole.
 */
import { CommitOutcome } from '../../../base/commit-outcome.js';
import type { Durability } from '../../../base/durability.js';
import { Command, CommandFlag, NbdError, type NbdRequest } from '../../../wire/nbd/request.js';
import { type Answered, ErrorText, type Replies, REQUEST_ROOM_BYTES } from './replies.js';

/** Requests of a connection that may wait at once; before more are looked at, some must be answered. */
export const LATE_MAX = 1024;

export class LateReplies {
  readonly #durability: Durability;
  readonly #wake: () => void;
  #promised: Answered[] = [];
  #waiting = 0;
  readonly #due: { readonly request: Answered; readonly error: NbdError }[] = [];

  /** @param wake - has a turn taken soon, in which {@link send} is called */
  constructor(durability: Durability, wake: () => void) {
    this.#durability = durability;
    this.#wake = wake;
  }

  /** Requests that are not answered yet. */
  get count(): number {
    return this.#promised.length + this.#waiting + this.#due.length;
  }

  /** Whether the reply of this request, which succeeded, has to wait. */
  concerns({ command, flags }: NbdRequest): boolean {
    return command === Command.flush || ((flags & CommandFlag.fua) !== 0 && isChange(command));
  }

  promise({ cookieHigh, cookieLow }: NbdRequest): void {
    this.#promised.push({ cookieHigh, cookieLow });
  }

  /** What was promised is committed: now it has to be synced. */
  keepPromises(): void {
    if (this.#promised.length === 0) return;
    const requests = this.#promised;
    this.#promised = [];
    this.#waiting += requests.length;
    this.#durability.sync((outcome) => {
      this.#waiting -= requests.length;
      const error = outcome === CommitOutcome.done ? NbdError.none : NbdError.io;
      for (const request of requests) this.#due.push({ request, error });
      this.#wake();
    });
  }

  /** What was promised came to nothing. */
  failPromises(replies: Replies, error: NbdError, text: Uint8Array): void {
    for (const request of this.#promised.splice(0)) replies.fail(request, error, text);
  }

  /** Whether {@link send} has anything to do. */
  get isDue(): boolean {
    return this.#due.length > 0;
  }

  /** As many as there is room for. Not in the middle of another reply. */
  send(replies: Replies): void {
    while (replies.room >= REQUEST_ROOM_BYTES) {
      const next = this.#due.shift();
      if (next === undefined) return;
      if (next.error === NbdError.none) replies.succeed(next.request);
      else replies.fail(next.request, next.error, ErrorText.unsynced);
    }
  }
}

function isChange(command: number): boolean {
  return command === Command.write || command === Command.trim || command === Command.writeZeroes;
}
