/**
 * Child processes that never outlive us.
 *
 * A handler on `exit` is not enough: a test runner ends a slow test file with a signal, and SIGKILL runs no handler.
 * So the kernel is asked, by `setpriv --pdeathsig` of util-linux, to kill the child when its parent goes; without
 * that tool the handler is what remains. Both are set in place of the child itself (exec), so `pid` is the child's.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { findTool } from './tools.js';

export type TetheredProcess = ChildProcessByStdio<Writable, Readable, Readable>;

export interface TetheredOptions {
  /** Killed after this long, whatever it does. */
  readonly limitSeconds: number;
  /** Added to ours; what is undefined is taken away from it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Starts `command` with pipes for its three streams. SIGKILL ends it at the limit and with us. */
export function spawnTethered(command: string, args: readonly string[], options: TetheredOptions): TetheredProcess {
  const setpriv = findTool('setpriv');
  const [file, ...all] =
    setpriv === undefined ? [command, ...args] : [setpriv, '--pdeathsig', 'KILL', command, ...args];
  const child = spawn(file, all, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  // Writing to a child that has just died is no error of ours; its end is told by 'exit'.
  child.stdin.on('error', () => undefined);
  const kill = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(kill, options.limitSeconds * 1000);
  process.once('exit', kill);
  const untie = (): void => {
    clearTimeout(timer);
    process.removeListener('exit', kill);
  };
  child.once('exit', untie);
  child.once('error', untie);
  return child;
}

/** Resolves when the child is gone, at once if it already is. */
export async function ended(child: TetheredProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
}
