/**
 * From a path of the config to a file that may be written: it is the right kind of file, nobody else uses it, and what
 * is in it is ours or nothing. Everything is asynchronous, for the disk may be slow already.
 */
import fs, { type BigIntStats } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { systemCode, TmemError } from '../base/errors.js';
import { formatSize } from '../base/size.js';
import { PAGE_BYTES } from '../base/units.js';
import { type InodeLock, lockInode } from '../io/inode-lock.js';
import type { CallGate } from './call-gate.js';
import { type FileCalls, RealSpillFile } from './real-spill-file.js';
import { ownerFile, readSpillOwner, type SpillOwner, writeSpillOwner } from './spill-owner.js';

export interface SpillFileUse extends SpillOwner {
  readonly gate: CallGate;
  /** The file must have slots up to here, because the arena says that pages are in them: the last one and 1, or 0. */
  readonly pagesNeeded: number;
  /** For tests: what the file does to its disk once it is open. */
  readonly calls?: FileCalls;
}

/**
 * Makes the file where it is not, 0600, unless pages must be in it; makes an existing one private. Holds its inode until
 * it is closed.
 *
 * @throws TmemError E_SPILL, and then nothing that was in the file has changed
 */
export async function openSpillFile(file: string, use: SpillFileUse): Promise<RealSpillFile> {
  try {
    await refuseOtherKinds(file);
    const descriptor = await openFile(file, use);
    try {
      return await take(file, descriptor, use);
    } catch (error) {
      await close(descriptor);
      throw error;
    }
  } catch (error) {
    if (error instanceof TmemError) throw error;
    throw spillError(`cannot use spill file ${file} (${systemCode(error) ?? String(error)}): ${cureOf(error)}`, error);
  }
}

const openDescriptor = promisify(fs.open);
const close = promisify(fs.close);
const chmod = promisify(fs.fchmod);

/** Before it is opened: to open a device or a pipe may do something. A link counts as what it leads to. */
async function refuseOtherKinds(file: string): Promise<void> {
  try {
    requireRegular(file, await statOf(file));
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

async function openFile(file: string, { pagesNeeded, export: name }: SpillFileUse): Promise<number> {
  const { O_RDWR, O_CREAT, O_NONBLOCK, O_NOCTTY } = fs.constants;
  const flags = O_RDWR | O_NONBLOCK | O_NOCTTY;
  try {
    return await openDescriptor(file, pagesNeeded > 0 ? flags : flags | O_CREAT, 0o600);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    if (pagesNeeded > 0)
      throw spillError(
        `spill file ${file} of export ${name} is not there, and the arena says that pages are in it up to byte ${pagesNeeded * PAGE_BYTES}: put it back where it was, or set spill to where it is now`,
        error,
      );
    throw spillError(
      `the folder of spill file ${file} is not there: make ${path.dirname(file)}, or name another file`,
      error,
    );
  }
}

async function take(file: string, descriptor: number, use: SpillFileUse): Promise<RealSpillFile> {
  const stat = await fstatOf(descriptor);
  requireRegular(file, stat);
  const lock = await lockInode(stat);
  if (lock === undefined)
    throw spillError(`spill file ${file} is in use by ${await holderOf(file)}: name another file`);
  try {
    // Guests' memory goes into it.
    if ((Number(stat.mode) & 0o077) !== 0) await chmod(descriptor, 0o600);
    await makeOurs(file, Number(stat.size), use);
    await syncFolder(path.dirname(file));
  } catch (error) {
    lock.release();
    throw error;
  }
  return opened(descriptor, Number(stat.size), lock, use);
}

/** An empty file is anybody's; any other must be known to be ours. */
async function makeOurs(file: string, bytes: number, use: SpillFileUse): Promise<void> {
  const { arena, export: name, pagesNeeded } = use;
  const owner = await readSpillOwner(file);
  const isOurs = owner !== undefined && owner.arena === arena && owner.export === name;
  if (bytes < pagesNeeded * PAGE_BYTES)
    throw spillError(
      `spill file ${file} of export ${name} has ${bytes} bytes, and the arena says that pages are in it up to byte ${pagesNeeded * PAGE_BYTES}: put the whole file back, or set spill to where it is now`,
    );
  if (bytes > 0 && owner !== undefined && !isOurs)
    throw spillError(
      `spill file ${file} has pages of export ${owner.export} of arena ${owner.arena}: name another file, or remove it when nobody needs them any more`,
    );
  // A copy may have come without it, and by the arena's hashes its pages are told from any others.
  if (bytes > 0 && owner === undefined && pagesNeeded === 0)
    throw spillError(
      `${file} holds ${formatSize(bytes)} and no ${ownerFile(file)} says that they are spilled pages: name another file, or remove it when nobody needs it`,
    );
  if (!isOurs) await writeSpillOwner(file, { arena, export: name });
}

function opened(descriptor: number, bytes: number, lock: InodeLock, use: SpillFileUse): RealSpillFile {
  const { gate, calls } = use;
  const pages = Math.floor(bytes / PAGE_BYTES);
  return new RealSpillFile({ descriptor, pages, gate, onClosed: () => lock.release(), ...(calls && { calls }) });
}

/** Whoever holds it has written so before it wrote anything else, or is about to. */
async function holderOf(file: string): Promise<string> {
  const owner = await readSpillOwner(file).catch(() => undefined);
  return owner === undefined ? 'another export' : `export ${owner.export} of arena ${owner.arena}`;
}

function requireRegular(file: string, stat: BigIntStats): void {
  if (stat.isFile()) return;
  const kind = stat.isDirectory() ? 'a folder' : 'a device, a pipe or a socket';
  throw spillError(`spill file ${file} is ${kind}: name a regular file, which is made where it is not there`);
}

/** The name must outlive a power loss as its pages do, whoever made it. */
async function syncFolder(folder: string): Promise<void> {
  const descriptor = await openDescriptor(folder, 'r');
  try {
    await promisify(fs.fsync)(descriptor);
  } finally {
    await close(descriptor);
  }
}

function statOf(file: string): Promise<BigIntStats> {
  return fs.promises.stat(file, { bigint: true });
}

function fstatOf(descriptor: number): Promise<BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(descriptor, { bigint: true }, (error, stat) => (error === null ? resolve(stat) : reject(error)));
  });
}

/** Itself, or the folder that it would be in. */
function isAbsent(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR';
}

function cureOf(error: unknown): string {
  switch (systemCode(error)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return "let the daemon's user write it and its folder, or name another file";
    case 'ENOSPC':
    case 'EDQUOT':
      return 'make room on its disk, or name another file';
    default:
      return 'look after its disk, or name another file';
  }
}

function spillError(message: string, cause?: unknown): TmemError {
  return new TmemError('E_SPILL', message, { cause });
}
