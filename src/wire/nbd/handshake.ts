/**
 * NBD handshake, server's side, without a socket: bytes in, bytes out, until both agree on an export.
 *
 *     greeting →   ← client flags   (← option, data   → replies)*   then requests
 *
 * The client's bytes may come one at a time or many options at once, so each fixed part is collected first and acted
 * on when it is whole. What collects it grows with what has arrived, never with what a client says will come. Data of
 * an option that we do not know is not even collected.
 *
 * An option that is wrong is answered and the handshake goes on; only what leaves the stream without meaning, or
 * what the protocol says cannot be answered, breaks it.
 */
import { HandshakeFlag, Info, Option, OPTION_MAGIC, OptionReply } from './constants.js';
import { ALLOCATION_CONTEXT_ID, ALLOCATION_CONTEXT_NAME, listsAllocation, selectsAllocation } from './meta-context.js';
import { parseInfoRequest, parseMetaRequest, parseName } from './option-data.js';
import { type ExportDescription, OptionReplies, transmissionFlags } from './option-replies.js';

/**
 * Most data of one option. A careful client needs two strings of 4 KiB; 256 times as much is not a client, and
 * 1 MiB is what one connection that has not yet named an export may cost us.
 */
export const OPTION_BYTES_MAX: number = 1024 * 1024;

/** Most options of one connection. QEMU sends 3, nbdinfo 6 for each export it lists; nbdkit has the same limit. */
export const OPTIONS_MAX = 32;

/** What a server offers; asked anew at each option, since exports come and go. */
export interface ExportCatalogue {
  /** True once the server is going down: every option but ABORT gets ERR_SHUTDOWN. */
  readonly shuttingDown: boolean;
  list(): readonly ExportDescription[];
  /** @param name - `''` asks for the default export */
  find(name: string): ExportDescription | undefined;
}

/** What both sides agreed on. */
export interface Agreement {
  readonly description: ExportDescription;
  readonly structuredReplies: boolean;
  /** Whether `base:allocation` is selected. */
  readonly hasMetaContext: boolean;
}

/** `finished`: send what there is to send, then close. `broken`: close at once. */
export type HandshakeState = 'negotiating' | 'agreed' | 'finished' | 'broken';

const CLIENT_FLAGS_BYTES = 4;
const OPTION_HEADER_BYTES = 16;

export class Handshake {
  state: HandshakeState = 'negotiating';
  /** Set when the state is `agreed`. */
  agreement: Agreement | undefined;

  readonly #catalogue: ExportCatalogue;
  readonly #replies = new OptionReplies();
  readonly #part = new Part();
  #awaited: 'flags' | 'option' | 'data' = 'flags';
  #clientFlags = 0;
  #option = 0;
  #options = 0;
  /** Bytes of an unknown option still to be thrown away. */
  #unwanted = 0;
  #structuredReplies = false;
  /** Name of the export for which `base:allocation` is selected. */
  #selectedFor: string | undefined;

  constructor(catalogue: ExportCatalogue) {
    this.#catalogue = catalogue;
    this.#replies.greeting();
    this.#part.expect(CLIENT_FLAGS_BYTES);
  }

  /** Bytes to send, the greeting first; empty when there is nothing to say. */
  takeOutput(): Uint8Array {
    return this.#replies.take();
  }

  /**
   * Takes what it needs of `bytes[at, end)`.
   *
   * @returns index after the last byte taken; when `agreed`, what follows is the first request
   */
  receive(bytes: Uint8Array, at: number, end: number): number {
    let next = at;
    while (this.state === 'negotiating') {
      const skipped = Math.min(this.#unwanted, end - next);
      next += skipped;
      this.#unwanted -= skipped;
      if (this.#unwanted > 0) break;
      next += this.#part.collect(bytes, next, end);
      if (!this.#part.whole) break;
      this.#act(this.#part.take());
    }
    return next;
  }

  #act(part: Uint8Array): void {
    switch (this.#awaited) {
      case 'flags':
        return this.#onFlags(viewOf(part).getUint32(0));
      case 'option':
        return this.#onOption(viewOf(part));
      case 'data':
        this.#onData(part);
        return this.#expectOption();
    }
  }

  #onFlags(flags: number): void {
    // A bit that we do not know may change the meaning of what follows.
    if ((flags & ~(HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes)) !== 0) return this.#break();
    this.#clientFlags = flags;
    this.#expectOption();
  }

  #expectOption(): void {
    this.#awaited = 'option';
    this.#part.expect(OPTION_HEADER_BYTES);
  }

  #onOption(header: DataView): void {
    if (header.getBigUint64(0) !== OPTION_MAGIC) return this.#break();
    this.#option = header.getUint32(8);
    const bytes = header.getUint32(12);
    this.#options++;
    if (bytes > OPTION_BYTES_MAX || this.#options > OPTIONS_MAX) return this.#break();
    // Without fixed newstyle a client cannot read the reply to anything else.
    const fixed = (this.#clientFlags & HandshakeFlag.fixedNewstyle) !== 0;
    if (!fixed && this.#option !== Option.exportName) return this.#break();
    if (this.#option === Option.abort) return this.#onAbort();
    if (KNOWN_OPTIONS.has(this.#option)) {
      this.#awaited = 'data';
      this.#part.expect(bytes);
      return;
    }
    this.#unwanted = bytes;
    this.#refuse(OptionReply.errUnsup, 'option not supported');
    this.#expectOption();
  }

  /** Its data, if any, is never looked at: the client may be gone already. */
  #onAbort(): void {
    this.#acknowledge();
    this.state = 'finished';
  }

  #onData(data: Uint8Array): void {
    if (this.#option === Option.exportName) return this.#onExportName(data);
    // A failed SET_META_CONTEXT also loses what an earlier one selected.
    if (this.#option === Option.setMetaContext) this.#selectedFor = undefined;
    if (this.#catalogue.shuttingDown) return this.#refuse(OptionReply.errShutdown, 'server is shutting down');
    switch (this.#option) {
      case Option.list:
        return data.length === 0 ? this.#onList() : this.#refuseData();
      case Option.startTls:
        return data.length === 0 ? this.#refuse(OptionReply.errUnsup, 'no TLS on this socket') : this.#refuseData();
      case Option.structuredReply:
        return data.length === 0 ? this.#onStructuredReply() : this.#refuseData();
      case Option.listMetaContext:
        return this.#onListMetaContext(data);
      case Option.setMetaContext:
        return this.#onSetMetaContext(data);
      default:
        return this.#onInfoOrGo(data);
    }
  }

  /** Of before there were errors in the handshake: the only way to say no is to hang up. */
  #onExportName(data: Uint8Array): void {
    const name = parseName(data);
    const description = name === undefined ? undefined : this.#catalogue.find(name);
    if (name === undefined || description === undefined || this.#catalogue.shuttingDown) return this.#break();
    const padded = (this.#clientFlags & HandshakeFlag.noZeroes) === 0;
    this.#replies.exportName(description.sizeBytes, transmissionFlags(description, this.#structuredReplies), padded);
    this.#agree(name, description);
  }

  #onList(): void {
    for (const description of this.#catalogue.list()) this.#replies.server(this.#option, description);
    this.#acknowledge();
  }

  #onStructuredReply(): void {
    this.#structuredReplies = true;
    this.#acknowledge();
  }

  #onInfoOrGo(data: Uint8Array): void {
    const request = parseInfoRequest(data);
    if (request === undefined) return this.#refuseData();
    const description = this.#catalogue.find(request.name);
    if (description === undefined) return this.#refuseName();
    const flags = transmissionFlags(description, this.#structuredReplies);
    this.#replies.infoExport(this.#option, description.sizeBytes, flags);
    if (request.infos.has(Info.name)) this.#replies.infoText(this.#option, Info.name, description.name);
    if (request.infos.has(Info.description))
      this.#replies.infoText(this.#option, Info.description, description.description);
    if (request.infos.has(Info.blockSize)) this.#replies.infoBlockSize(this.#option);
    this.#acknowledge();
    if (this.#option === Option.go) this.#agree(request.name, description);
  }

  /** Allowed before STRUCTURED_REPLY: it only tells what there would be. No query at all asks for everything. */
  #onListMetaContext(data: Uint8Array): void {
    const request = parseMetaRequest(data, listsAllocation);
    if (request === undefined) return this.#refuseData();
    if (this.#catalogue.find(request.name) === undefined) return this.#refuseName();
    if (request.matched || request.queryCount === 0)
      this.#replies.metaContext(this.#option, 0, ALLOCATION_CONTEXT_NAME);
    this.#acknowledge();
  }

  #onSetMetaContext(data: Uint8Array): void {
    const request = parseMetaRequest(data, selectsAllocation);
    if (request === undefined) return this.#refuseData();
    if (!this.#structuredReplies) return this.#refuse(OptionReply.errInvalid, 'structured replies come first');
    if (this.#catalogue.find(request.name) === undefined) return this.#refuseName();
    if (request.matched) {
      this.#selectedFor = request.name;
      this.#replies.metaContext(this.#option, ALLOCATION_CONTEXT_ID, ALLOCATION_CONTEXT_NAME);
    }
    this.#acknowledge();
  }

  #agree(name: string, description: ExportDescription): void {
    // A selection made for another name is void, even where both name one export.
    const hasMetaContext = this.#selectedFor === name;
    this.agreement = { description, structuredReplies: this.#structuredReplies, hasMetaContext };
    this.state = 'agreed';
  }

  #break(): void {
    this.state = 'broken';
  }

  #acknowledge(): void {
    this.#replies.plain(this.#option, OptionReply.ack);
  }

  #refuse(reply: OptionReply, text: string): void {
    this.#replies.plain(this.#option, reply, text);
  }

  #refuseData(): void {
    this.#refuse(OptionReply.errInvalid, 'lengths in the option do not add up, or data where there must be none');
  }

  #refuseName(): void {
    this.#refuse(OptionReply.errUnknown, 'no such export on this socket');
  }
}

/** Those whose data we read, and EXTENDED_HEADERS not among them. */
const KNOWN_OPTIONS: ReadonlySet<number> = new Set<number>([
  Option.exportName,
  Option.list,
  Option.startTls,
  Option.info,
  Option.go,
  Option.structuredReply,
  Option.listMetaContext,
  Option.setMetaContext,
]);

/** Collects a known number of bytes that arrive in pieces. */
class Part {
  #bytes = new Uint8Array(64);
  #have = 0;
  #needed = 0;

  get whole(): boolean {
    return this.#have === this.#needed;
  }

  expect(bytes: number): void {
    this.#have = 0;
    this.#needed = bytes;
  }

  /** @returns how many bytes it took */
  collect(bytes: Uint8Array, at: number, end: number): number {
    const count = Math.min(this.#needed - this.#have, end - at);
    if (this.#have + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#needed, 2 * (this.#have + count)));
      grown.set(this.#bytes.subarray(0, this.#have));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(at, at + count), this.#have);
    this.#have += count;
    return count;
  }

  /** Valid until the next byte is collected. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#needed);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
