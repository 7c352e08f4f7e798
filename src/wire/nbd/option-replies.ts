/**
 * What a server says during the handshake, appended to one buffer that grows. Bounded by what makes it speak: 32
 * options a connection, and no reply that is longer than a string of the protocol and its header.
 *
 *      0               8        12      16       20
 *      ┌───────────────┬────────┬───────┬────────┬──────┐
 *      │ magic         │ option │ reply │ length │ data │
 *      └───────────────┴────────┴───────┴────────┴──────┘
 */
import {
  GREETING_MAGIC,
  HandshakeFlag,
  Info,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionReply,
  TransmissionFlag,
} from './constants.js';
import { PAYLOAD_BYTES_MAX } from './request.js';

/** What the handshake tells of an export. */
export interface ExportDescription {
  /** As clients name it, `GUEST/EXPORT`. */
  readonly name: string;
  /** For people; may be empty. */
  readonly description: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
}

/** Any range may be read and written: parts of a page cost a read of the page, which is ours to bear. */
const BLOCK_BYTES_MIN = 1;
const BLOCK_BYTES_PREFERRED = 4096;

/** Zeros that old clients expect after the answer to EXPORT_NAME. */
const EXPORT_NAME_PADDING = 124;

/** Everything but what the handshake itself decides. */
export function transmissionFlags(description: ExportDescription, structuredReplies: boolean): number {
  const always =
    TransmissionFlag.hasFlags |
    TransmissionFlag.flush |
    TransmissionFlag.fua |
    TransmissionFlag.cache |
    // One store behind all connections, nothing kept back per connection, so a flush on one covers all.
    TransmissionFlag.canMultiConn;
  // Zeroing whole pages only forgets them, so FAST_ZERO is always kept and never answered ENOTSUP.
  const writable = TransmissionFlag.trim | TransmissionFlag.writeZeroes | TransmissionFlag.fastZero;
  return (
    always |
    (description.readOnly ? TransmissionFlag.readOnly : writable) |
    (structuredReplies ? TransmissionFlag.df : 0)
  );
}

export class OptionReplies {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** What was said since the last call; the caller's to keep. */
  take(): Uint8Array {
    const said = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return said;
  }

  greeting(): void {
    const at = this.#append(18);
    this.#view.setBigUint64(at, GREETING_MAGIC);
    this.#view.setBigUint64(at + 8, OPTION_MAGIC);
    this.#view.setUint16(at + 16, HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes);
  }

  /** @param text - with an error, a message for people */
  plain(option: number, reply: OptionReply, text = ''): void {
    const message = utf8.encode(text);
    const at = this.#reply(option, reply, message.length);
    this.#bytes.set(message, at);
  }

  server(option: number, { name, description }: ExportDescription): void {
    const encoded = utf8.encode(name);
    const remark = utf8.encode(description);
    const at = this.#reply(option, OptionReply.server, 4 + encoded.length + remark.length);
    this.#view.setUint32(at, encoded.length);
    this.#bytes.set(encoded, at + 4);
    this.#bytes.set(remark, at + 4 + encoded.length);
  }

  infoExport(option: number, sizeBytes: number, flags: number): void {
    const at = this.#reply(option, OptionReply.info, 12);
    this.#view.setUint16(at, Info.export);
    this.#view.setBigUint64(at + 2, BigInt(sizeBytes));
    this.#view.setUint16(at + 10, flags);
  }

  infoText(option: number, info: number, text: string): void {
    const encoded = utf8.encode(text);
    const at = this.#reply(option, OptionReply.info, 2 + encoded.length);
    this.#view.setUint16(at, info);
    this.#bytes.set(encoded, at + 2);
  }

  infoBlockSize(option: number): void {
    const at = this.#reply(option, OptionReply.info, 14);
    this.#view.setUint16(at, Info.blockSize);
    this.#view.setUint32(at + 2, BLOCK_BYTES_MIN);
    this.#view.setUint32(at + 6, BLOCK_BYTES_PREFERRED);
    this.#view.setUint32(at + 10, PAYLOAD_BYTES_MAX);
  }

  metaContext(option: number, id: number, name: string): void {
    const encoded = utf8.encode(name);
    const at = this.#reply(option, OptionReply.metaContext, 4 + encoded.length);
    this.#view.setUint32(at, id);
    this.#bytes.set(encoded, at + 4);
  }

  /** The answer to EXPORT_NAME, which has no header and ends the handshake. */
  exportName(sizeBytes: number, flags: number, padded: boolean): void {
    const at = this.#append(10 + (padded ? EXPORT_NAME_PADDING : 0));
    this.#view.setBigUint64(at, BigInt(sizeBytes));
    this.#view.setUint16(at + 8, flags);
    this.#bytes.fill(0, at + 10, this.#length);
  }

  #reply(option: number, reply: OptionReply, length: number): number {
    const at = this.#append(20 + length);
    this.#view.setBigUint64(at, OPTION_REPLY_MAGIC);
    this.#view.setUint32(at + 8, option);
    this.#view.setUint32(at + 12, reply);
    this.#view.setUint32(at + 16, length);
    return at + 20;
  }

  #append(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#length);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

const utf8 = new TextEncoder();
