/**
 * One daemon per arena. Two things are held, because each misses what the other sees:
 *
 * - The lock of its inode, an abstract Unix socket, which is never stale. It belongs to a network namespace.
 * - `ARENA/owner.json`, for daemons in other network namespaces. It can be stale: the process it names is looked up.
 *   Where that process is in another pid namespace too, it cannot be seen, and the file's age tells: its owner touches
 *   it every {@link BEAT_MS}. An owner that was suspended meanwhile and finds another name in it must end at once.
 *
 * What that last sentence leaves open, where two daemons share neither pid nor network namespace: an owner that was
 * frozen for longer than {@link SILENT_OWNER_MS} (or whose clock was set ahead by as much) can lose the arena, and when
 * it runs again its shard's thread may write requests that have queued before this thread's beat sees the other name.
 * Then two write one log. SECURITY.md says what an operator must not do.
 */
import { linkSync, readFileSync, renameSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemCode, TmemError } from '../base/errors.js';
import { type InodeLock, lockInode } from '../io/inode-lock.js';
import { fateOf, ownIdentity, type ProcessIdentity } from './process-identity.js';

const BEAT_MS = 2000;

/** Five missed beats: less would take a busy machine's owner for dead, more would delay a restart in a container. */
const SILENT_OWNER_MS = 10_000;

/** What `owner.json` says. */
interface Owner extends ProcessIdentity {
  readonly v: 1;
  readonly run_dir: string;
  readonly since: string;
}

export interface ArenaLock {
  /** Removes `owner.json` and lets go of the inode. */
  release(): void;
}

/**
 * Takes the arena for this process.
 *
 * @param onStolen - called when another daemon has taken the arena while this process was suspended
 * @throws TmemError E_ARENA_BUSY, E_ARENA_FULL, E_DENIED
 */
export async function lockArena(arena: string, runDir: string, onStolen: () => void): Promise<ArenaLock> {
  const inode = await requireInode(arena);
  const file = path.join(arena, 'owner.json');
  const text = JSON.stringify({
    v: 1,
    ...ownIdentity(),
    run_dir: runDir,
    since: new Date().toISOString(),
  } satisfies Owner);
  try {
    takeOwnerFile(file, text, arena);
  } catch (error) {
    inode.release();
    throw error;
  }
  const beat = setInterval(() => {
    if (keep(file, text)) return;
    clearInterval(beat);
    onStolen();
  }, BEAT_MS);
  beat.unref();
  return {
    release(): void {
      clearInterval(beat);
      if (textOf(file) === text) unlinkSync(file);
      inode.release();
    },
  };
}

/**
 * Keeps daemons away while somebody reads the arena, without writing to it.
 *
 * @throws TmemError E_ARENA_BUSY
 */
export async function lockArenaForReading(arena: string): Promise<ArenaLock> {
  const inode = await requireInode(arena);
  try {
    const file = path.join(arena, 'owner.json');
    refuseLiving(textOf(file), file, arena);
  } catch (error) {
    inode.release();
    throw error;
  }
  return inode;
}

async function requireInode(arena: string): Promise<InodeLock> {
  const lock = await lockInode(statSync(arena, { bigint: true }));
  if (lock === undefined) throw busy(arena, 'another daemon uses it');
  return lock;
}

/** Touches the file, or puts it back where somebody cleaned up. @returns false where it names another */
function keep(file: string, text: string): boolean {
  try {
    const found = textOf(file);
    if (found === undefined) restore(file, text);
    else if (found === text) utimesSync(file, new Date(), new Date());
    else return false;
  } catch {
    // Not readable, or gone between two calls, or the arena itself is: none of it is a theft. The next beat tries again.
  }
  return true;
}

/** By a link, so that a full file system leaves no part of it behind: that would be a text that is not ours. */
function restore(file: string, text: string): void {
  const mine = `${file}.back-${process.pid}`;
  try {
    writeFileSync(mine, text, { mode: 0o600 });
    linkSync(mine, file);
  } finally {
    unlinkIfThere(mine);
  }
}

function takeOwnerFile(file: string, text: string, arena: string): void {
  const mine = `${file}.${process.pid}`;
  try {
    try {
      writeFileSync(mine, text, { mode: 0o600 });
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error;
      // A full arena must be able to start again: the room that the last owner's file took is enough.
      removeStale(file, arena);
      writeFileSync(mine, text, { mode: 0o600 });
    }
    for (;;) {
      try {
        // Unlike a rename this fails when there is one already.
        linkSync(mine, file);
        return;
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error;
        removeStale(file, arena);
      }
    }
  } catch (error) {
    if (error instanceof TmemError) throw error;
    const code = systemCode(error) === 'ENOSPC' ? 'E_ARENA_FULL' : 'E_DENIED';
    throw new TmemError(code, `cannot write ${file} (${systemCode(error)}): make room, or name another arena`, {
      cause: error,
    });
  } finally {
    unlinkIfThere(mine);
  }
}

/** Removes the file of an owner that is gone; throws E_ARENA_BUSY when it is not. */
function removeStale(file: string, arena: string): void {
  const found = textOf(file);
  if (found === undefined) return;
  refuseLiving(found, file, arena);
  // Another start may have judged the same file: only one of the two moves it, and it moves what it judged.
  const aside = `${file}.stale-${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  if (textOf(aside) !== found) {
    renameSync(aside, file);
    throw busy(arena, 'another daemon has just taken it');
  }
  unlinkSync(aside);
}

/** Throws E_ARENA_BUSY when the owner that `file` was `found` to name lives, or cannot be seen and may. */
function refuseLiving(found: string | undefined, file: string, arena: string): void {
  const owner = found === undefined ? undefined : parseOwner(found);
  const fate = owner === undefined ? 'dead' : fateOf(owner);
  if (fate === 'alive') throw busy(arena, `the daemon with pid ${owner!.pid} uses it`);
  const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (fate === 'unseen' && Date.now() - touched < SILENT_OWNER_MS)
    throw busy(arena, `a daemon of another container uses it, or did ${SILENT_OWNER_MS / 1000} s ago`);
}

function busy(arena: string, who: string): TmemError {
  return new TmemError('E_ARENA_BUSY', `arena ${arena}: ${who}: stop that daemon, or name another arena`);
}

/** Undefined for a file that is no owner's: cut off by a full file system, or written by a person. */
function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isOwner(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    typeof fields.get('pid') === 'number' &&
    ['start_ticks', 'boot_id', 'pid_namespace'].every((name) => typeof fields.get(name) === 'string')
  );
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function unlinkIfThere(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It never came to be.
  }
}
