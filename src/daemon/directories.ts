/**
 * The two directories that the daemon lives in. Both are made when absent, and what was made is taken back when the
 * start fails. A directory that nobody named and whose parent anybody may write (`/dev/shm`, the temp dir) may have
 * been put there by somebody else, who would then read our guests' memory: it must be ours.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ErrorCode, systemCode, TmemError } from '../base/errors.js';
import type { Undo } from './undo.js';

/** Makes sure of a run directory that can be written. Root's is open for passing through: `owner`s open sockets in it. */
export function makeRunDir(runDir: string, mustBeOurs: boolean, undo: Undo): void {
  try {
    make(runDir, process.getuid!() === 0 ? 0o755 : 0o700, undo);
    if (mustBeOurs) requireOurs(runDir, 'run_dir');
    // Being allowed by mode is not enough to know: the file system may be read-only.
    const probe = path.join(runDir, `.probe-${process.pid}`);
    writeFileSync(probe, '');
    unlinkSync(probe);
  } catch (error) {
    if (error instanceof TmemError) throw error;
    throw outsideError('E_RUN_DIR', error, `cannot use run_dir ${runDir}`, 'name another with --run-dir');
  }
}

export function makeArenaDir(arena: string, mustBeOurs: boolean, undo: Undo): void {
  try {
    make(arena, 0o700, undo);
    if (mustBeOurs) requireOurs(arena, 'arena');
  } catch (error) {
    if (error instanceof TmemError) throw error;
    const code = systemCode(error) === 'ENOSPC' ? 'E_ARENA_FULL' : 'E_DENIED';
    throw outsideError(code, error, `cannot use arena ${arena}`, 'name another with --arena');
  }
}

/**
 * Makes the directory and what is missing above it. One at a time, because Node's own `recursive` never returns where
 * the kernel says ENOENT though the parent is there, as in `/proc`.
 */
function make(directory: string, mode: number, undo: Undo): void {
  if (existsSync(directory)) {
    if (!statSync(directory).isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
    return;
  }
  if (!existsSync(path.dirname(directory))) make(path.dirname(directory), mode, undo);
  mkdirSync(directory);
  // Somebody may have put something there since; then it stays.
  undo.add(() => rmdirSync(directory));
  chmodSync(directory, mode);
}

function requireOurs(directory: string, what: string): void {
  const { uid, mode } = lstatSync(directory);
  const us = process.getuid!();
  if (!lstatSync(directory).isDirectory() || uid !== us || (mode & 0o022) !== 0)
    throw new TmemError(
      'E_DENIED',
      `${what} ${directory} is not a directory of user ${us} alone: remove it, or name another place`,
    );
}

function outsideError(code: ErrorCode, cause: unknown, what: string, cure: string): TmemError {
  const why = systemCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new TmemError(code, `${what} (${why}): ${cure}`, { cause });
}
