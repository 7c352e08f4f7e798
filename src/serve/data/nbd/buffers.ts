/**
 * The memory that all NBD connections of a shard share, part of the kernel's, so that a page is read by the socket to
 * where the codec takes it, and leaves from where the codec put it:
 *
 *      ┌────────┬──────────────────┐   ┌───────────────────────┐
 *      │ tail ⟶ │ read area        │   │ replies               │
 *      └────────┴──────────────────┘   └───────────────────────┘
 *               ↑ the socket's data always starts here
 *
 * One of each is enough because a turn takes its input and sends its replies before another connection's begins.
 * What a connection must keep from one turn to its next, it puts into a stash of its own; the start of a request that
 * was cut is put back in front of its rest, so that every request and every page is contiguous when it is looked at.
 */
import { type Address, address } from '../../../base/ids.js';
import type { PageMemory } from '../../../base/page-memory.js';
import { KIB, PAGE_BYTES } from '../../../base/units.js';

/** Longest start of something that may be kept while more is read: a page but its last byte, rounded up. */
export const TAIL_BYTES_MAX: number = 8 * KIB;

/** Takes 32 writes of a page and their headers at once, which is what a client of depth 32 has on the way. */
export const READ_AREA_BYTES: number = 136 * KIB;

/** What is read at once in company: the writes of a turn that is shared. Copying more would be a wait for the others. */
export const SHARED_READ_BYTES: number = 17 * KIB;

/** Most input that one connection can have waiting. */
export const STASH_BYTES: number = TAIL_BYTES_MAX + READ_AREA_BYTES;

/** Room for the replies of one turn: 64 pages, the whole read that may overrun them, and as much for small things. */
export const REPLY_AREA_BYTES: number = 512 * KIB;

/** Stashes kept for the next who needs one; more are left to the garbage collector. */
const SPARE_STASHES_MAX = 8;

export class NbdBuffers {
  readonly memory: PageMemory;
  readonly readArea: Address;
  readonly replyArea: Address;
  /** Two pages, each with slack: for requests that are carried out later, and mean nothing between calls. */
  readonly parkArea: Address;
  readonly parkedPage: Address;
  readonly #spare: Uint8Array[] = [];

  /** Once per shard: regions of the memory are never given back. */
  constructor(memory: PageMemory) {
    this.memory = memory;
    this.readArea = address(memory.allocate(STASH_BYTES) + TAIL_BYTES_MAX);
    this.replyArea = memory.allocate(REPLY_AREA_BYTES);
    this.parkArea = memory.allocate(PAGE_BYTES);
    this.parkedPage = memory.allocate(PAGE_BYTES);
  }

  /** {@link STASH_BYTES} of heap. */
  takeStash(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(STASH_BYTES);
  }

  returnStash(stash: Uint8Array): void {
    if (this.#spare.length < SPARE_STASHES_MAX) this.#spare.push(stash);
  }
}
