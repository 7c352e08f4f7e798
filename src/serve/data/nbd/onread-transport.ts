/**
 * The fast transport, and the only file that uses what Node does not document (`socket._handle`, `handle.fd`,
 * `new net.Socket({ handle })`; Node 20 to 26). The kernel reads straight into the shared read area, and replies leave
 * by `fs.writeSync` on the descriptor, past the stream and its write requests: 8 us of a 20 us round trip.
 *
 * Two rules make that safe. While the stream has a rest queued, nothing is written beside it. And nothing is written
 * to a destroyed socket: its descriptor is closed at once, but 'close' comes later, and in between the number may
 * belong to another connection.
 */
import { writeSync } from 'node:fs';
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import type { Address } from '../../../base/ids.js';
import { systemCode } from '../../../base/errors.js';
import { type NbdBuffers, READ_AREA_BYTES, SHARED_READ_BYTES } from './buffers.js';
import type { Transport, TransportUser } from './transport.js';

export interface StreamHandle {
  readonly fd: number;
}

/** Takes the handle away from the socket, which is then good for nothing; undefined when there is none to be had. */
export function detachHandle(socket: Socket): StreamHandle | undefined {
  const holder: { _handle?: unknown } = socket as object;
  const handle = holder._handle;
  if (!isStreamHandle(handle)) return undefined;
  holder._handle = null;
  // Without this its server counts it as open for ever.
  socket.destroy();
  return handle;
}

function isStreamHandle(handle: unknown): handle is StreamHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'fd' in handle &&
    typeof handle.fd === 'number' &&
    handle.fd >= 0 &&
    'useUserBuffer' in handle &&
    typeof handle.useUserBuffer === 'function'
  );
}

export class OnreadTransport implements Transport {
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #bytes: Uint8Array;
  readonly #onWritten: () => void;

  constructor(handle: StreamHandle, { memory, readArea }: NbdBuffers, user: TransportUser) {
    this.#fd = handle.fd;
    this.#bytes = memory.bytes;
    this.#onWritten = () => {
      if (!this.#socket.destroyed) user.drained();
    };
    const all = memory.bytes.subarray(readArea, readArea + READ_AREA_BYTES);
    const some = memory.bytes.subarray(readArea, readArea + SHARED_READ_BYTES);
    const options: SocketConstructorOpts & { handle: StreamHandle; onread: OnReadOpts } = {
      handle,
      onread: {
        // Asked in the constructor and after each callback, for the read to come: the answer is one read old.
        buffer: () => (user.isInCompany ? some : all),
        callback: (bytes) => user.received(bytes),
      },
    };
    this.#socket = new Socket(options);
    // EPIPE, ECONNRESET: a client went away. 'close' follows and is all there is to know.
    this.#socket.on('error', ignore);
    this.#socket.on('close', () => user.closed());
  }

  start(): void {
    this.#socket.resume();
  }

  send(from: Address, bytes: number): boolean {
    if (this.#socket.destroyed) return true;
    const written = this.#write(from, bytes);
    // A short write means that the kernel has no room: asking again would only throw EAGAIN, which is slow.
    if (written === bytes || this.#socket.destroyed) return true;
    this.#socket.write(this.#bytes.slice(from + written, from + bytes), this.#onWritten);
    return false;
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

  #write(from: Address, bytes: number): number {
    try {
      return writeSync(this.#fd, this.#bytes, from, bytes);
    } catch (error) {
      if (systemCode(error) !== 'EAGAIN') this.#socket.destroy();
      return 0;
    }
  }
}

function ignore(): void {}
