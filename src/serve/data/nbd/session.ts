/**
 * One connection, from greeting to close: gives input to the handshake, then to the transmission, and keeps what they
 * leave over.
 *
 *      read area ──► turn ──► reply area ──► transport
 *                     │ left over                │ the client does not keep up
 *                     ▼                          ▼
 *                   stash ──► next turn       no turn, no reading, until it has left
 *
 * What a client can cost: a stash of 144 KiB, one reply area of 512 KiB queued, 1 MiB of an option in the
 * handshake; where pages may be away 2 MiB of parked requests.
 * A modest request is carried out where it was read. More than that, in company, is put aside for its share of the
 * rounds (`turns.ts`), and nothing more is read meanwhile, so that libuv does not go on reading 32 times in a row.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../../base/clock.js';
import type { Address } from '../../../base/ids.js';
import { PAGE_BYTES } from '../../../base/units.js';
import type { BlockFace } from '../../../hooks/block-face.js';
import { type Agreement, type ExportCatalogue, Handshake } from '../../../wire/nbd/handshake.js';
import { REQUEST_HEADER_BYTES } from '../../../wire/nbd/request.js';
import { type NbdBuffers, TAIL_BYTES_MAX } from './buffers.js';
import type { NbdCounters } from './counters.js';
import { type Latencies, UNTIMED } from './latency.js';
import { takeSocket } from './take-socket.js';
import type { Transport, TransportKind, TransportUser } from './transport.js';
import { Transmission } from './transmission.js';
import type { Turns, TurnTaker } from './turns.js';

/** A handshake takes milliseconds; half of one holds one of the export's connections. */
const HANDSHAKE_MS_MAX = 10_000;

/** How long a client may take to read the last replies before it is cut off. */
const FAREWELL_MS_MAX = 2000;

/** Input of more than this is put aside in company: two pages, which is no more than a turn's worth. */
const MODEST_BYTES: number = 2 * (PAGE_BYTES + REQUEST_HEADER_BYTES);

/** What a session is given by its server. */
export interface SessionContext {
  readonly buffers: NbdBuffers;
  readonly turns: Turns;
  readonly catalogue: ExportCatalogue;
  readonly face: BlockFace;
  readonly counters: NbdCounters;
  readonly latencies: Latencies;
  readonly clock: Clock;
  readonly transport: TransportKind;
  /** Called once, when nothing of the connection is left. */
  readonly onClosed: (session: Session) => void;
}

export class Session implements TransportUser, TurnTaker {
  waiting = false;

  readonly #context: SessionContext;
  readonly #bytes: Uint8Array;
  readonly #readArea: Address;
  readonly #replyArea: Address;
  readonly #transport: Transport;
  #handshake: Handshake | undefined;
  #transmission: Transmission | undefined;
  /** Ends a handshake or a farewell that takes too long. */
  #deadline: NodeJS.Timeout | undefined;
  /** Input not yet taken: `[#stashAt, #stashEnd)` of the stash. */
  #stash: Uint8Array | undefined;
  #stashAt = 0;
  #stashEnd = 0;
  /**
   * When input last came, or {@link UNTIMED}: nothing is read while some of it waits, so no request that waits is older.
   */
  #arrivedUs = UNTIMED;
  /** Replies are queued in the transport. */
  #blocked = false;
  /** While replies were queued it was time for a turn. */
  #isWoken = false;
  /** The transport was told not to read on. */
  #paused = false;
  /** No turn will be taken any more. */
  #over = false;

  constructor(socket: Socket, context: SessionContext) {
    const { buffers } = context;
    this.#context = context;
    this.#bytes = buffers.memory.bytes;
    this.#readArea = buffers.readArea;
    this.#replyArea = buffers.replyArea;
    this.#transport = takeSocket(socket, context.transport, buffers, this);
    this.#handshake = new Handshake(context.catalogue);
    this.#setDeadline(HANDSHAKE_MS_MAX);
    this.#sendHandshake(this.#handshake);
    this.#transport.start();
  }

  get isInCompany(): boolean {
    return this.#context.turns.shared;
  }

  /** New requests are answered ESHUTDOWN from now on; options are by the catalogue. */
  shutDown(): void {
    if (this.#transmission !== undefined) this.#transmission.shuttingDown = true;
  }

  /** Closes after what was promised has been sent, or soon without. */
  end(): void {
    this.#over = true;
    this.#setDeadline(FAREWELL_MS_MAX);
    this.#transport.end();
  }

  destroy(): void {
    this.#over = true;
    this.#transport.destroy();
  }

  received(bytes: number): boolean {
    if (this.#over) return true;
    const { turns, latencies, clock } = this.#context;
    const pages = turns.begin(this);
    this.#arrivedUs = latencies.wantsTime(turns.inARow) ? clock.nowUs() : UNTIMED;
    const tail = this.#stashEnd - this.#stashAt;
    const from = this.#readArea - tail;
    const end = this.#readArea + bytes;
    if (tail > 0) this.#unstash(tail, from);
    // A turn that no input began has filled the socket while it was being read.
    if (this.#blocked || (bytes > MODEST_BYTES && turns.shared)) {
      this.#keep(from, end);
      if (!this.#blocked) turns.wait(this);
      this.#paused = true;
      return false;
    }
    const next = this.#turn(from, end, pages);
    this.#keep(next, end);
    this.#paused = !this.#mayRead();
    return !this.#paused;
  }

  takeTurn(pages: number): number {
    if (this.#over) return 0;
    if (this.#blocked) {
      this.#isWoken = true;
      return 0;
    }
    // Enough for the pages of the turn; what it does not take stays in the stash.
    const stashed = this.#stashEnd - this.#stashAt;
    const bytes = Math.min(stashed, (pages + 1) * (PAGE_BYTES + REQUEST_HEADER_BYTES));
    const from = this.#readArea - TAIL_BYTES_MAX;
    if (bytes > 0) this.#copyStash(bytes, from);
    const next = this.#turn(from, from + bytes, pages);
    this.#stashAt += next - from;
    if (this.#stashAt === this.#stashEnd) this.#dropStash();
    // Starved perhaps, but only of what was not shown to it.
    if (bytes < stashed && !this.#blocked && !this.#over && !this.#isHeld) this.#context.turns.wait(this);
    this.#resumeIfMay();
    return this.#transmission?.pagesMoved ?? 0;
  }

  drained(): void {
    this.#blocked = false;
    if (this.#over) return;
    const hasInput = this.#stashAt < this.#stashEnd && !this.#isHeld;
    const isDue = this.#isWoken || this.#transmission?.starved === false || this.#transmission?.isDue === true;
    this.#isWoken = false;
    if (hasInput || isDue) this.#context.turns.wait(this);
    else this.#resumeIfMay();
  }

  closed(): void {
    this.#over = true;
    this.#transmission?.close();
    clearTimeout(this.#deadline);
    this.#context.turns.forget(this);
    this.#dropStash();
    this.#context.onClosed(this);
  }

  /** Takes what it can of `[from, end)`. @returns offset after what was taken */
  #turn(from: number, end: number, pages: number): number {
    const transmission = this.#transmission;
    if (transmission === undefined) return this.#negotiate(from, end, pages);
    const next = transmission.takeTurn(from, end, pages);
    const { replies } = transmission;
    if (transmission.state !== 'broken' && replies.length > 0) {
      this.#blocked = !this.#transport.send(this.#replyArea, replies.length);
    }
    replies.clear();
    const { answered, answeredLater } = transmission;
    const { latencies, clock } = this.#context;
    if (answeredLater.length > 0) {
      const nowUs = clock.nowUs();
      for (const { command, sinceUs } of answeredLater.splice(0)) latencies.observeOne(command, nowUs - sinceUs);
    }
    if (answered.total > 0) {
      latencies.observe(answered, this.#arrivedUs < 0 ? UNTIMED : clock.nowUs() - this.#arrivedUs);
    }
    if (transmission.committed) this.#context.face.catchUp();
    if (transmission.state === 'broken') this.destroy();
    else if (transmission.state === 'finished') this.end();
    else if (!transmission.starved && !this.#blocked) this.#context.turns.wait(this);
    return next;
  }

  #negotiate(from: number, end: number, pages: number): number {
    const handshake = this.#handshake;
    if (handshake === undefined) return end;
    const next = handshake.receive(this.#bytes, from, end);
    if (handshake.state === 'broken') {
      this.destroy();
      return end;
    }
    this.#sendHandshake(handshake);
    if (handshake.state === 'finished') this.end();
    if (handshake.agreement === undefined) return next;
    this.#beginTransmission(handshake.agreement);
    return this.#blocked ? next : this.#turn(next, end, pages);
  }

  #beginTransmission({ description, structuredReplies, hasMetaContext }: Agreement): void {
    const { buffers, face, counters, catalogue, clock } = this.#context;
    const { sizeBytes, readOnly } = description;
    const rules = { exportBytes: sizeBytes, readOnly, structuredReplies, hasMetaContext };
    const readAtUs = (): number => (this.#arrivedUs < 0 ? clock.nowUs() : this.#arrivedUs);
    this.#transmission = new Transmission(buffers, face, rules, counters, () => this.#wake(), readAtUs);
    this.#transmission.shuttingDown = catalogue.shuttingDown;
    this.#handshake = undefined;
    clearTimeout(this.#deadline);
  }

  get #isHeld(): boolean {
    return this.#transmission?.held === true;
  }

  /** While replies are queued the turn waits for that to end. */
  #wake(): void {
    if (this.#over) return;
    if (this.#blocked) this.#isWoken = true;
    else this.#context.turns.wait(this);
  }

  #sendHandshake(handshake: Handshake): void {
    const output = handshake.takeOutput();
    if (output.length === 0) return;
    this.#bytes.set(output, this.#replyArea);
    this.#blocked = !this.#transport.send(this.#replyArea, output.length);
  }

  /** Reading on makes sense when nothing is queued, nothing waits, and the tail fits before what would come. */
  #mayRead(): boolean {
    return !this.#blocked && !this.waiting && this.#stashEnd - this.#stashAt <= TAIL_BYTES_MAX;
  }

  #resumeIfMay(): void {
    if (!this.#paused || this.#over || !this.#mayRead()) return;
    this.#paused = false;
    this.#transport.resume();
  }

  /** Keeps `[from, end)` of the kernel's memory for the next turn. The stash is empty. */
  #keep(from: number, end: number): void {
    if (from === end || this.#over) return this.#dropStash();
    this.#stash ??= this.#context.buffers.takeStash();
    this.#stash.set(this.#bytes.subarray(from, end));
    this.#stashAt = 0;
    this.#stashEnd = end - from;
  }

  #unstash(bytes: number, to: number): void {
    this.#copyStash(bytes, to);
    this.#stashAt = 0;
    this.#stashEnd = 0;
  }

  #copyStash(bytes: number, to: number): void {
    if (this.#stash !== undefined) this.#bytes.set(this.#stash.subarray(this.#stashAt, this.#stashAt + bytes), to);
  }

  #dropStash(): void {
    if (this.#stash !== undefined) this.#context.buffers.returnStash(this.#stash);
    this.#stash = undefined;
    this.#stashAt = 0;
    this.#stashEnd = 0;
  }

  #setDeadline(ms: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#transport.destroy(), ms).unref();
  }
}
