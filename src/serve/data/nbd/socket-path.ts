/**
 * Listening on a unix socket whose file may be left from a former life: a stale one is replaced, a live one refused.
 *
 * Nothing here touches the umask, which a worker thread does not have: set it in the main thread, so that between
 * `bind` and `chmod` a socket is not open to all.
 */
import { chmodSync, chownSync, lstatSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { systemCode, TmemError } from '../../../base/errors.js';

/** `sun_path` less its final NUL. Node cuts a longer path without a word and listens somewhere else. */
const SOCKET_PATH_BYTES_MAX = 107;

/** Listening and connecting to a unix socket are immediate; what is not, hangs. */
const PROBE_MS_MAX = 1000;

export interface SocketOwner {
  /** Permission bits of the socket file. */
  readonly mode?: number | undefined;
  /** Who shall own it; only root can give it away. */
  readonly uid?: number | undefined;
}

/**
 * @throws TmemError E_SOCKET_PATH when there is no listening at `path`, E_SOCKET_BUSY when another listens there
 *   already or it is no socket, E_OWNER when it cannot be given its owner or mode
 */
export async function listenAt(server: Server, path: string, owner: SocketOwner): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new TmemError(
      'E_SOCKET_PATH',
      `socket path of ${Buffer.byteLength(path)} bytes, limit ${SOCKET_PATH_BYTES_MAX}: ${path}; choose a shorter run directory`,
    );
  }
  await removeStale(path);
  await listen(server, path);
  try {
    if (owner.mode !== undefined) chmodSync(path, owner.mode);
    if (owner.uid !== undefined) chownSync(path, owner.uid, -1);
  } catch (error) {
    server.close();
    throw new TmemError('E_OWNER', `cannot set owner and mode of ${path}: ${reason(error)}`, { cause: error });
  }
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new TmemError('E_SOCKET_BUSY', `${path} exists and is not a socket; move it or choose another run directory`);
  }
  if (await answers(path)) {
    throw new TmemError('E_SOCKET_BUSY', `another process listens at ${path}; stop it or choose another run directory`);
  }
  rmSync(path, { force: true });
}

/** Whether someone listens. Anything but a refusal counts as someone: a full backlog has an owner too. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path, timeout: PROBE_MS_MAX });
    const done = (answer: boolean): void => {
      probe.destroy();
      resolve(answer);
    };
    probe.once('connect', () => done(true));
    probe.once('timeout', () => done(true));
    probe.on('error', (error) => done(!['ECONNREFUSED', 'ENOENT'].includes(systemCode(error) ?? '')));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const busy = systemCode(error) === 'EADDRINUSE';
      const code = busy ? 'E_SOCKET_BUSY' : 'E_SOCKET_PATH';
      reject(new TmemError(code, `cannot listen at ${path}: ${reason(error)}`, { cause: error }));
    };
    server.once('error', failed);
    server.listen({ path }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
