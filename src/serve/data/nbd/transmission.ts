/**
 * NBD transmission phase of one connection, without a socket: requests from the read area become calls on the
 * export's face and replies in the reply area, a turn at a time.
 *
 * One request at a time, in order of arrival, which the protocol allows and which makes every rule about requests in
 * flight at once true for nothing. What cannot be ended in a turn (a payload not all here, a long read, a TRIM of
 * gigabytes) is gone on with in the next, and nothing is parsed behind it before.
 *
 * A turn that changed something ends with a commit, before any of its replies can leave: that is the point of
 * durability. It commits before as well, where something is to be read or described behind a change: a reply must not
 * show what a commit that fails would have undone, and of a batch a face knows pages, not runs of holes. A commit that
 * fails makes every promise since the last one a refusal; what an earlier one of the turn kept stays kept.
 *
 * Where the store is on a disk, what FLUSH and FUA promise waits for a sync as well, and is answered out of turn; and a
 * change may have to wait for room, which a sync brings or another shard. Then the connection is held: nothing behind the
 * change is looked at. Both end by `wake`.
 *
 * Where pages may be away, and room may come, a request that lacks something is parked and begun again when it may not lack
 * it any more; `wake` says so too. See parked.ts.
 *
 * @hot One call per turn, one round of its loop per request: no allocation, no closure, no promise.
 */
import { CommitOutcome } from '../../../base/commit-outcome.js';
import { assert } from '../../../base/assert.js';
import type { RoomWait } from '../../../base/room-wait.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { type BlockFace, WriteOutcome } from '../../../hooks/block-face.js';
import { Command, judgeRequest, NbdError, type NbdRequest } from '../../../wire/nbd/request.js';
import { readRequest, ReadResult, REQUEST_HEADER_BYTES, type RequestRules } from '../../../wire/nbd/request.js';
import { replyBlockStatus } from './block-status.js';
import type { NbdBuffers } from './buffers.js';
import type { NbdCounters } from './counters.js';
import { TurnTally } from './latency.js';
import { LATE_MAX, LateReplies } from './late-replies.js';
import { Later, type Rest } from './later.js';
import { NOTHING_AWAY, Reading } from './reading.js';
import { ErrorText, Replies, REQUEST_ROOM_BYTES, textOf } from './replies.js';
import { Writing, type WriteLack } from './writing.js';
import { Zeroing } from './zeroing.js';

/** `finished`: the client said goodbye; send what there is and close. `broken`: close at once. */
export type TransmissionState = 'open' | 'finished' | 'broken';

export class Transmission {
  state: TransmissionState = 'open';
  /** After a turn: whether only more input can make the next one do anything. */
  starved = true;
  /** After a turn: whether nothing can be done, whatever comes, until `wake` is called. `starved` then is true as well. */
  held = false;
  /** Of the last turn. */
  pagesMoved = 0;
  /** Whether the last turn committed anything, so that {@link BlockFace.catchUp} may have something to do. */
  committed = false;
  /** From now on new requests are answered ESHUTDOWN. */
  shuttingDown = false;
  readonly replies: Replies;
  /** Requests answered since it was last emptied. */
  readonly answered: TurnTally = new TurnTally();
  /** The same of those that had been parked, of which each has waited for a time of its own. */
  readonly answeredLater: { readonly command: number; readonly sinceUs: number }[] = [];

  readonly #face: BlockFace;
  readonly #view: DataView;
  readonly #rules: RequestRules;
  readonly #counters: NbdCounters;
  /** The one being carried out; overwritten only when it is answered. */
  readonly #request: NbdRequest = { flags: 0, command: 0, cookieHigh: 0, cookieLow: 0, offset: 0, length: 0 };
  readonly #reading: Reading;
  readonly #writing: Writing;
  readonly #zeroing: Zeroing;
  readonly #room: RoomWait | undefined;
  readonly #late: LateReplies | undefined;
  readonly #later: Later | undefined;
  readonly #wake: () => void;
  /** The request is a TRIM or WRITE_ZEROES that was held before it began. */
  #isDeferred = false;
  /** The client has said goodbye. */
  #isLeaving = false;
  /** Whether this turn did something that {@link BlockFace.commit} must make good. */
  #dirty = false;

  /**
   * @param wake - asks for a turn, soon and not within the call: replies are due, or what was held may go on
   * @param readAtUs - when the input was read that is being looked at: asked of what is parked, and nothing else
   */
  constructor(
    buffers: NbdBuffers,
    face: BlockFace,
    rules: RequestRules,
    counters: NbdCounters,
    wake: () => void = () => {},
    readAtUs: () => number = () => 0,
  ) {
    this.#room = face.room ?? face.durability;
    this.#late = face.durability && new LateReplies(face.durability, wake);
    this.#later = face.elsewhere && new Later(buffers, face, face.elsewhere, wake, readAtUs);
    this.#wake = wake;
    this.replies = new Replies(buffers, rules.structuredReplies, counters, this.#late);
    this.#face = this.#later?.face ?? face;
    this.#view = buffers.memory.view;
    this.#rules = rules;
    this.#counters = counters;
    this.#reading = new Reading(this.#face, this.replies, this.#request);
    this.#writing = new Writing(this.#face, this.replies, this.#request, counters);
    this.#zeroing = new Zeroing(this.#face, this.replies, this.#request);
  }

  /**
   * One turn over input at `[at, end)` of the kernel's memory, of about `pages` pages. Replies are then to be sent and
   * cleared; a turn begins with none.
   *
   * @returns offset after what was taken
   */
  takeTurn(at: number, end: number, pages: number): number {
    this.starved = false;
    this.held = false;
    this.pagesMoved = 0;
    this.#dirty = false;
    this.committed = false;
    const next = this.#work(at, end, pages);
    this.#settle();
    return next;
  }

  /** Whether a turn has something to do without input: replies that waited for a sync, requests that were parked. */
  get isDue(): boolean {
    return this.#late?.isDue === true || this.#later?.hasReady === true;
  }

  /** The connection is gone. */
  close(): void {
    this.#later?.close();
  }

  #work(at: number, end: number, pages: number): number {
    let next = at;
    while (this.pagesMoved < pages && this.state === 'open') {
      const left = pages - this.pagesMoved;
      if (this.#writing.active) {
        if (this.#writing.stores && this.#isHeld()) break;
        if (this.#later?.isRerun === true) this.#feed(this.#later, left);
        else next = this.#receivePayload(next, end, left);
        if (this.#writing.active && !this.#goesOnWithPayload()) break;
      } else if (this.#reading.active) {
        this.#afterRead(this.#reading.step(left));
        if (this.#reading.active) {
          this.#waitForPage();
          break;
        }
      } else if (this.#zeroing.active) {
        if (this.#isHeld()) break;
        this.#dirty = true;
        this.pagesMoved += this.#zeroing.step(left);
        if (this.#zeroing.active) break;
        this.#afterZero();
      } else if (this.#isDeferred) {
        if (this.#isHeld()) break;
        this.#isDeferred = false;
        this.#zero(left);
      } else {
        this.#late?.send(this.replies);
        if (this.replies.room < REQUEST_ROOM_BYTES) break;
        if (this.#later?.next(this.#request) === true) {
          this.#again(left);
          continue;
        }
        if (!this.#goesOn()) break;
        const result = readRequest(this.#view, next, end, this.#request);
        if (result === ReadResult.incomplete) {
          this.starved = true;
          break;
        }
        if (result === ReadResult.desynchronised) {
          this.state = 'broken';
          break;
        }
        next += REQUEST_HEADER_BYTES;
        this.#begin(left);
      }
    }
    return next;
  }

  #begin(pages: number): void {
    const request = this.#request;
    const error = this.#judge(request);
    if (error !== NbdError.none) {
      this.pagesMoved++;
      // Whatever is wrong with a WRITE, its payload follows.
      if (request.command === Command.write) return this.#writing.beginRefused(error, textOf(error));
      this.answered.add(request.command);
      return this.replies.fail(request, error, textOf(error));
    }
    switch (request.command) {
      case Command.read:
        this.#counters.reads++;
        return this.#read(pages);
      case Command.write:
        this.#counters.writes++;
        // With FUA even a write of nothing is answered after a sync, and nobody else asks for that.
        if (request.length === 0) this.#dirty = true;
        return this.#writing.begin();
      case Command.disconnect:
        if (this.#late === undefined && this.#later === undefined) this.state = 'finished';
        else this.#isLeaving = true;
        return;
      case Command.flush:
        this.#counters.flushes++;
        this.pagesMoved++;
        this.#dirty = true;
        this.answered.add(request.command);
        return this.replies.promise(request);
      case Command.trim:
      case Command.writeZeroes:
        return this.#zero(pages);
      case Command.blockStatus:
        this.#settle();
        this.#counters.others++;
        this.answered.add(request.command);
        this.pagesMoved += replyBlockStatus(this.#face, this.replies, request);
        return;
      default:
        // CACHE: every page is as near as it can be.
        this.#counters.others++;
        this.pagesMoved++;
        this.answered.add(request.command);
        return this.replies.succeed(request);
    }
  }

  #read(pages: number): void {
    this.#settle();
    this.#afterRead(this.#reading.begin(pages));
    if (this.#reading.active) this.#waitForPage();
  }

  #zero(pages: number): void {
    if (this.#isHeld()) {
      this.#isDeferred = true;
      return;
    }
    if (this.#later?.isRerun !== true) {
      if (this.#request.command === Command.trim) this.#counters.trims++;
      else this.#counters.zeroes++;
    }
    this.#dirty = true;
    this.pagesMoved += this.#zeroing.begin(pages);
    if (!this.#zeroing.active) this.#afterZero();
  }

  #afterZero(): void {
    const { lack, rest } = this.#zeroing;
    if (lack !== WriteOutcome.stored) this.#park(lack, rest);
    else this.#isAnswered();
  }

  /** Whether the change that comes next has to wait for room. */
  #isHeld(): boolean {
    if (this.#room?.mustWait(this.#wake) !== true) return false;
    this.held = this.starved = true;
    return true;
  }

  /** Between two requests. @returns whether the next one may be looked at */
  #goesOn(): boolean {
    const late = this.#late;
    if (late?.isDue === true) return false;
    const unanswered = (late?.count ?? 0) + (this.#later?.count ?? 0);
    if (this.#isLeaving && unanswered === 0) this.state = 'finished';
    // Their ends wake us.
    else if (this.#isLeaving || (late?.count ?? 0) >= LATE_MAX || this.#later?.isFull === true) this.#hold();
    return !this.held && this.state === 'open';
  }

  #hold(): void {
    this.held = this.starved = true;
  }

  /** The request that was put aside, as if it came in now. */
  #again(pages: number): void {
    const { command } = this.#request;
    // However often it comes back: that is a turn's work.
    this.pagesMoved++;
    if (command === Command.read) this.#read(pages);
    else if (command === Command.write) this.#writing.begin();
    else this.#zero(pages);
  }

  /**
   * What is left of the request lacks something and is put aside. What was done of it is made good before, because nobody
   * could take a success back.
   */
  #park(lack: WriteLack, rest: Rest, payload?: Uint8Array): void {
    assert(this.#later !== undefined, 'nothing is lacking where nothing can be away');
    const outcome = this.#settle();
    if (outcome === CommitOutcome.done) {
      const { command, length } = this.#request;
      if (command === Command.read) this.#counters.readBytes += length - rest.length;
      if (command === Command.write) this.#counters.writtenBytes += length - rest.length;
      return this.#later.park(this.#request, lack, rest, payload);
    }
    const isFull = outcome === CommitOutcome.full;
    this.replies.fail(
      this.#request,
      isFull ? NbdError.noSpace : NbdError.io,
      isFull ? ErrorText.full : ErrorText.fault,
    );
    this.#isAnswered();
  }

  #feed(later: Later, pages: number): void {
    later.feed(this.#writing, pages, (at, end) => void this.#receivePayload(at, end, 1));
    // More of its payload is there, and not in the input.
    if (this.#writing.active) this.starved = false;
  }

  /** A WRITE that is under way may lack something. @returns whether there is more to do in this turn */
  #goesOnWithPayload(): boolean {
    const fate = this.#later?.fateOf(this.#writing) ?? 'lacksNothing';
    if (fate === 'lacksNothing') return false;
    if (fate === 'isPutAside') return true;
    if (fate === 'waits') {
      this.#settle();
      this.#hold();
      return false;
    }
    this.#writing.part();
    this.#park(fate.lack, fate.rest, fate.payload);
    return true;
  }

  /** In the middle of data that nothing may interrupt. */
  #waitForPage(): void {
    const { waitsFor, rest } = this.#reading;
    if (waitsFor === NOTHING_AWAY) return;
    this.#reading.waitsFor = NOTHING_AWAY;
    this.#later?.want(waitsFor, Math.ceil((rest.offset + rest.length) / PAGE_BYTES));
    this.#hold();
  }

  #judge(request: NbdRequest): NbdError {
    if (this.shuttingDown && request.command !== Command.disconnect) return NbdError.shutdown;
    // There is no extent of no bytes to answer with.
    if (request.command === Command.blockStatus && request.length === 0) return NbdError.inval;
    return judgeRequest(request, this.#rules);
  }

  #receivePayload(at: number, end: number, pages: number): number {
    const writing = this.#writing;
    const next = writing.receive(at, end, pages);
    this.pagesMoved += writing.moved;
    this.#dirty ||= writing.stored;
    this.starved = writing.starved;
    if (!writing.active) this.#isAnswered();
    return next;
  }

  #afterRead(moved: number): void {
    // A read of nothing must not be free, or a turn of them would have no end.
    this.pagesMoved += Math.max(1, moved);
    if (this.#reading.broken) this.state = 'broken';
    if (this.#reading.active) return;
    if (this.#reading.lacks) {
      this.#park(WriteOutcome.away, this.#reading.rest);
      return;
    }
    this.#counters.readBytes += this.#request.length;
    this.#isAnswered();
  }

  #isAnswered(): void {
    const { command } = this.#request;
    const sinceUs = this.#later?.sinceUs;
    if (sinceUs === undefined) this.answered.add(command);
    else this.answeredLater.push({ command, sinceUs });
  }

  /** Makes good what was promised since the last commit, or takes it back. */
  #settle(): CommitOutcome {
    if (!this.#dirty) return CommitOutcome.done;
    this.#dirty = false;
    this.committed = true;
    const outcome = this.#face.commit();
    if (outcome === CommitOutcome.done) this.replies.keepPromises();
    else if (outcome === CommitOutcome.full) this.#takeBack(NbdError.noSpace, ErrorText.full);
    else this.#takeBack(NbdError.io, ErrorText.fault);
    return outcome;
  }

  /** Nothing of the batch was stored, and what is still under way cannot succeed either. */
  #takeBack(error: NbdError, text: Uint8Array): void {
    this.replies.failPromises(error, text);
    if (this.#writing.active) this.#writing.fail(error, text);
    if (this.#zeroing.active) this.#zeroing.fail(error, text);
  }
}
