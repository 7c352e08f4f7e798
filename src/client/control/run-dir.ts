/** Where a daemon keeps its sockets unless it is told: the daemon and the commands that look for it must agree. */
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';

/** As root `/run/tmem`; else `$XDG_RUNTIME_DIR/tmem`, or a folder of the user's own in the temp dir. */
export function defaultRunDir(who: { uid: number; runtimeDir: string | undefined; tempDir: string }): string {
  if (who.uid === 0) return '/run/tmem';
  if (who.runtimeDir !== undefined && who.runtimeDir.startsWith('/')) return path.join(who.runtimeDir, 'tmem');
  return path.join(who.tempDir, `tmem-run-${who.uid}`);
}

/** {@link defaultRunDir} of this process. */
export function ownRunDir(): string {
  return defaultRunDir({ uid: userInfo().uid, runtimeDir: process.env['XDG_RUNTIME_DIR'], tempDir: tmpdir() });
}

/** The daemon's HTTP door for commands. */
export function controlSocket(runDir: string): string {
  return path.join(runDir, 'control.sock');
}
