/**
 * The transport that uses nothing but what Node documents: 'data' and `write`, a copy each way. It is what is left
 * when a version of Node hides its handles, and the yardstick for the fast one, whose tests it shares.
 */
import type { Socket } from 'node:net';
import type { Address } from '../../../base/ids.js';
import { type NbdBuffers, READ_AREA_BYTES } from './buffers.js';
import type { Transport, TransportUser } from './transport.js';

export class StreamTransport implements Transport {
  readonly #socket: Socket;
  readonly #bytes: Uint8Array;
  readonly #readArea: Address;
  readonly #user: TransportUser;
  readonly #onDrain: () => void;

  constructor(socket: Socket, { memory, readArea }: NbdBuffers, user: TransportUser) {
    this.#socket = socket;
    this.#bytes = memory.bytes;
    this.#readArea = readArea;
    this.#user = user;
    this.#onDrain = () => {
      if (!socket.destroyed) user.drained();
    };
    // EPIPE, ECONNRESET: a client went away. 'close' follows and is all there is to know.
    socket.on('error', () => {});
    socket.on('close', () => user.closed());
  }

  start(): void {
    this.#socket.on('data', (chunk) => this.#show(chunk));
    this.#socket.resume();
  }

  send(from: Address, bytes: number): boolean {
    if (this.#socket.destroyed) return true;
    // True: below the stream's own high-water mark, and it keeps the order, so more may follow.
    return this.#socket.write(this.#bytes.slice(from, from + bytes)) || this.#queued();
  }

  resume(): void {
    if (!this.#socket.destroyed) this.#socket.resume();
  }

  end(): void {
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** False from `write` is answered by one 'drain'. */
  #queued(): boolean {
    this.#socket.once('drain', this.#onDrain);
    return false;
  }

  #show(chunk: Uint8Array): void {
    const bytes = Math.min(chunk.length, READ_AREA_BYTES);
    this.#bytes.set(bytes === chunk.length ? chunk : chunk.subarray(0, bytes), this.#readArea);
    if (!this.#user.received(bytes)) this.#socket.pause();
    // Node reads 64 KiB at a time, so nobody has seen this; it comes back as another 'data'.
    if (bytes < chunk.length && !this.#socket.destroyed) this.#socket.unshift(chunk.subarray(bytes));
  }
}
