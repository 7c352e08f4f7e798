import type { Socket } from 'node:net';
import type { NbdBuffers } from './buffers.js';
import { detachHandle, OnreadTransport } from './onread-transport.js';
import { StreamTransport } from './stream-transport.js';
import type { Transport, TransportKind, TransportUser } from './transport.js';

/** Takes over an accepted socket that nobody has read from; by the stream where its handle is not what we know. */
export function takeSocket(socket: Socket, kind: TransportKind, buffers: NbdBuffers, user: TransportUser): Transport {
  const handle = kind === 'onread' ? detachHandle(socket) : undefined;
  return handle === undefined ? new StreamTransport(socket, buffers, user) : new OnreadTransport(handle, buffers, user);
}
