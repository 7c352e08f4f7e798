/** Paths of Unix sockets: freed before somebody listens on them, handed to their owner afterwards. */
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { systemCode, TmemError } from '../base/errors.js';

/** A daemon that does not accept within this is alive and busy, not gone. */
const ANSWER_MS = 2000;

/**
 * Makes sure that nothing is at `path`: the socket of a process that died is removed, one that accepts is not.
 * @throws TmemError E_SOCKET_BUSY
 */
export async function freeSocketPath(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket())
    throw new TmemError(
      'E_SOCKET_BUSY',
      `${path} is in the way and is not a socket: remove it, or use another run_dir`,
    );
  if (await accepts(path))
    throw new TmemError('E_SOCKET_BUSY', `${path} is served by another process: stop it, or use another run_dir`);
  unlinkSync(path);
}

/** Root hands the socket to `ownerUid` (0660, group unchanged); anybody else keeps it (0600). */
export function handOverSocket(path: string, ownerUid: number | null): void {
  if (process.getuid!() !== 0) {
    chmodSync(path, 0o600);
    return;
  }
  chownSync(path, ownerUid ?? 0, process.getgid!());
  chmodSync(path, 0o660);
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    const timer = setTimeout(() => settle(true), ANSWER_MS);
    const settle = (answer: boolean): void => {
      clearTimeout(timer);
      probe.destroy();
      resolve(answer);
    };
    probe.once('connect', () => settle(true));
    probe.once('error', (error) => {
      const code = systemCode(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') settle(false);
      // A full backlog is a process that lives.
      else if (code === 'EAGAIN') settle(true);
      else {
        clearTimeout(timer);
        reject(new TmemError('E_SOCKET_BUSY', `cannot tell who serves ${path} (${code}): remove it`, { cause: error }));
      }
    });
  });
}
