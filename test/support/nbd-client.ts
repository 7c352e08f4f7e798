/**
 * A small NBD client for tests: one promise per request, any number in flight, simple and structured replies. It
 * checks what it is told and rejects on any break of the protocol, so tests that only use it also test the server.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { assert } from '../../src/base/assert.js';
import { HandshakeFlag, Info, Option, OptionReply } from '../../src/wire/nbd/constants.js';
import { ALLOCATION_CONTEXT_NAME } from '../../src/wire/nbd/meta-context.js';
import { ChunkType } from '../../src/wire/nbd/reply.js';
import { Command, CommandFlag, REQUEST_HEADER_BYTES } from '../../src/wire/nbd/request.js';

export interface NbdClientOptions {
  exportName?: string;
  /** Ask for structured replies; default true. */
  structured?: boolean;
  /** Select `base:allocation`; default as `structured`. */
  metaContext?: boolean;
}

/** An error that the server replied with. */
export class NbdReplyError extends Error {
  readonly error: number;
  readonly offset: bigint | undefined;

  constructor(error: number, text: string, offset?: bigint) {
    super(`NBD error ${error}${text === '' ? '' : `: ${text}`}`);
    this.error = error;
    this.offset = offset;
  }
}

export interface Extent {
  bytes: number;
  flags: number;
}

export interface Chunk {
  type: number;
  offset: number;
  bytes: number;
}

/** What came for one request. */
export interface Answer {
  data: Buffer;
  /** Empty for a simple reply. */
  chunks: Chunk[];
  extents: Extent[];
}

interface Pending {
  command: number;
  offset: number;
  length: number;
  answer: Answer;
  covered: number;
  failure: NbdReplyError | undefined;
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

export class NbdClient {
  readonly socket: Socket;
  sizeBytes = 0;
  transmissionFlags = 0;
  structured = false;
  readonly #input: Input;
  readonly #pending = new Map<bigint, Pending>();
  #cookie = 0xfffffffffff00000n;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#input = new Input(socket);
  }

  static async connect(path: string, options: NbdClientOptions = {}): Promise<NbdClient> {
    const { exportName = '', structured = true, metaContext = structured } = options;
    const client = await NbdClient.greet(path);
    if (structured) {
      expectAck(await client.option(Option.structuredReply));
      client.structured = true;
    }
    if (metaContext)
      expectAck(await client.option(Option.setMetaContext, metaQuery(exportName, [ALLOCATION_CONTEXT_NAME])));
    const replies = await client.option(Option.go, infoQuery(exportName, [Info.blockSize]));
    expectAck(replies);
    client.startTransmission(replies);
    return client;
  }

  /** Connects, reads the greeting and answers its flags; options are the caller's. */
  static async greet(
    path: string,
    flags: number = HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes,
  ): Promise<NbdClient> {
    const socket = connectSocket({ path });
    const client = new NbdClient(socket);
    const greeting = await client.#input.take(18);
    assert(greeting.toString('latin1', 0, 16) === 'NBDMAGICIHAVEOPT', 'greeting');
    assert(greeting.readUInt16BE(16) === 3, 'handshake flags');
    socket.write(u32(flags));
    return client;
  }

  /** Sends an option and collects its replies up to the ACK or error. */
  async option(option: number, data: Uint8Array = Buffer.alloc(0)): Promise<{ reply: number; data: Buffer }[]> {
    this.socket.write(optionMessage(option, data));
    const replies = [];
    for (;;) {
      const header = await this.#input.take(20);
      assert(header.readBigUInt64BE(0) === 0x3e889045565a9n, 'option reply magic');
      assert(header.readUInt32BE(8) === option, 'reply is to the option');
      const reply = header.readUInt32BE(12);
      replies.push({ reply, data: await this.#input.take(header.readUInt32BE(16)) });
      if (reply === OptionReply.ack || reply >= 2 ** 31) return replies;
    }
  }

  /** Enters transmission with what a successful GO was answered. */
  startTransmission(replies: readonly { reply: number; data: Buffer }[]): void {
    const info = replies.find(({ reply, data }) => reply === OptionReply.info && data.readUInt16BE(0) === Info.export);
    assert(info !== undefined, 'GO tells of the export');
    this.sizeBytes = Number(info.data.readBigUInt64BE(2));
    this.transmissionFlags = info.data.readUInt16BE(10);
    this.receiveReplies();
  }

  /** From now on what arrives are replies. */
  receiveReplies(): void {
    this.#receive().catch((error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))));
  }

  async read(offset: number, length: number, flags = 0): Promise<Buffer> {
    return (await this.request(Command.read, offset, length, flags)).data;
  }

  async write(offset: number, data: Uint8Array, flags = 0): Promise<void> {
    await this.request(Command.write, offset, data.length, flags, data);
  }

  async flush(): Promise<void> {
    await this.request(Command.flush, 0, 0);
  }

  async trim(offset: number, length: number, flags = 0): Promise<void> {
    await this.request(Command.trim, offset, length, flags);
  }

  async writeZeroes(offset: number, length: number, flags = 0): Promise<void> {
    await this.request(Command.writeZeroes, offset, length, flags);
  }

  async blockStatus(offset: number, length: number, flags = 0): Promise<Extent[]> {
    return (await this.request(Command.blockStatus, offset, length, flags)).extents;
  }

  request(command: number, offset: number | bigint, length: number, flags = 0, payload?: Uint8Array): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const cookie = this.#cookie++;
    this.socket.write(requestMessage(command, cookie, offset, length, flags));
    if (payload !== undefined) this.socket.write(payload);
    return new Promise((resolve, reject) => {
      const data = command === Command.read ? Buffer.alloc(length) : Buffer.alloc(0);
      const answer = { data, chunks: [], extents: [] };
      const at = Number(offset);
      this.#pending.set(cookie, {
        command,
        offset: at,
        length,
        answer,
        covered: 0,
        failure: undefined,
        resolve,
        reject,
      });
    });
  }

  /** Says goodbye and waits until the server has closed. */
  async disconnect(): Promise<void> {
    this.socket.write(requestMessage(Command.disconnect, 0n, 0, 0, 0));
    await this.closed();
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve));
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #receive(): Promise<void> {
    for (;;) {
      const magic = (await this.#input.take(4)).readUInt32BE(0);
      if (magic === 0x67446698) await this.#receiveSimple();
      else if (magic === 0x668e33ef && this.structured) await this.#receiveChunk();
      else throw new Error(`reply magic ${magic.toString(16)}`);
    }
  }

  async #receiveSimple(): Promise<void> {
    const header = await this.#input.take(12);
    const error = header.readUInt32BE(0);
    const { cookie, pending } = this.#find(header.readBigUInt64BE(4));
    assert(!(this.structured && pending.command === Command.read), 'READ gets no simple reply once structured');
    assert(pending.answer.chunks.length === 0, 'a simple reply stands alone');
    if (error === 0 && pending.command === Command.read) {
      (await this.#input.take(pending.length)).copy(pending.answer.data);
    }
    this.#finish(cookie, pending, error === 0 ? undefined : new NbdReplyError(error, ''));
  }

  async #receiveChunk(): Promise<void> {
    const header = await this.#input.take(16);
    const done = header.readUInt16BE(0) === 1;
    const type = header.readUInt16BE(2);
    const { cookie, pending } = this.#find(header.readBigUInt64BE(4));
    const payload = await this.#input.take(header.readUInt32BE(12));
    this.#takeChunk(pending, type, payload, done);
    if (!done) return;
    const complete =
      pending.command !== Command.read || pending.failure !== undefined || pending.covered === pending.length;
    assert(complete, 'chunks cover the request');
    this.#finish(cookie, pending, pending.failure);
  }

  #takeChunk(pending: Pending, type: number, payload: Buffer, done: boolean): void {
    const { answer } = pending;
    if (type === ChunkType.error || type === ChunkType.errorOffset) {
      const length = payload.readUInt16BE(4);
      const at = type === ChunkType.errorOffset ? payload.readBigUInt64BE(6 + length) : undefined;
      assert(payload.length === 6 + length + (at === undefined ? 0 : 8), 'error chunk adds up');
      pending.failure = new NbdReplyError(payload.readUInt32BE(0), payload.toString('utf8', 6, 6 + length), at);
    } else if (type === ChunkType.offsetData || type === ChunkType.offsetHole) {
      const at = Number(payload.readBigUInt64BE(0)) - pending.offset;
      const hole = type === ChunkType.offsetHole;
      assert(!hole || payload.length === 12, 'hole chunk adds up');
      const bytes = hole ? payload.readUInt32BE(8) : payload.length - 8;
      assert(at >= 0 && bytes > 0 && at + bytes <= pending.length, 'chunk inside the request');
      assert(at === pending.covered, 'chunks in order, without gap or overlap');
      if (!hole) payload.copy(answer.data, at, 8);
      pending.covered += bytes;
      answer.chunks.push({ type, offset: at, bytes });
    } else if (type === ChunkType.blockStatus) {
      assert(pending.command === Command.blockStatus && payload.length > 4, 'status where it was asked for');
      for (let at = 4; at < payload.length; at += 8)
        answer.extents.push({ bytes: payload.readUInt32BE(at), flags: payload.readUInt32BE(at + 4) });
      checkExtents(answer.extents, pending.length);
    } else {
      assert(type === ChunkType.none && payload.length === 0 && done, 'chunk type');
    }
  }

  #find(cookie: bigint): { cookie: bigint; pending: Pending } {
    const pending = this.#pending.get(cookie);
    assert(pending !== undefined, `reply to a request that was made: ${cookie}`);
    return { cookie, pending };
  }

  #finish(cookie: bigint, { answer, resolve, reject }: Pending, failure: Error | undefined): void {
    this.#pending.delete(cookie);
    if (failure === undefined) resolve(answer);
    else reject(failure);
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.socket.destroy();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

export function requestMessage(
  command: number,
  cookie: bigint,
  offset: number | bigint,
  length: number,
  flags = 0,
): Buffer {
  const message = Buffer.alloc(REQUEST_HEADER_BYTES);
  message.writeUInt32BE(0x25609513, 0);
  message.writeUInt16BE(flags, 4);
  message.writeUInt16BE(command, 6);
  message.writeBigUInt64BE(cookie, 8);
  message.writeBigUInt64BE(BigInt(offset), 16);
  message.writeUInt32BE(length, 24);
  return message;
}

export function optionMessage(option: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('IHAVEOPT'), u32(option), u32(data.length), data]);
}

/** Data of INFO and GO. */
export function infoQuery(name: string, infos: readonly number[] = []): Buffer {
  return Buffer.concat([nbdString(name), u16(infos.length), ...infos.map(u16)]);
}

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function metaQuery(name: string, queries: readonly string[]): Buffer {
  return Buffer.concat([nbdString(name), u32(queries.length), ...queries.map(nbdString)]);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function nbdString(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}

function expectAck(replies: readonly { reply: number; data: Buffer }[]): void {
  const last = replies.at(-1);
  if (last?.reply !== OptionReply.ack) throw new Error(`option refused: ${last?.reply} ${last?.data.toString()}`);
}

function checkExtents(extents: readonly Extent[], length: number): void {
  let sum = 0;
  for (const [n, { bytes }] of extents.entries()) {
    assert(bytes > 0, 'extents are not empty');
    sum += bytes;
    assert(n === extents.length - 1 || sum < length, 'only the last extent reaches the end');
  }
}

/** Bytes of a socket, in the sizes asked for. */
class Input {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      this.#wake?.();
    });
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('connection closed')));
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#bytes < bytes) {
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const [first = Buffer.alloc(0)] = this.#chunks;
    const all = first.length >= bytes ? first : Buffer.concat(this.#chunks);
    if (first.length < bytes) this.#chunks = [all];
    this.#chunks[0] = all.subarray(bytes);
    if (this.#chunks[0].length === 0) this.#chunks.shift();
    this.#bytes -= bytes;
    return all.subarray(0, bytes);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#wake?.();
  }
}

/** DF is a flag of READ. */
export const DF: number = CommandFlag.df;
