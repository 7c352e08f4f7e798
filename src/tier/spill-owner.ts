/**
 * `PATH.owner`, beside the spill file PATH: whose pages are in it. The file itself is pages and nothing else, and a path
 * that is mistyped or was given to another export would have it written over. One line of JSON,
 *
 *      {"v":1,"arena":"/dev/shm/tmem","export":"vm1/swap0"}
 *
 * that stays when the daemon stops. The arena is named by its path, because a tmpfs forgets everything else of it at a
 * reboot, and the pages of then may be written over.
 */
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { systemCode } from '../base/errors.js';

export interface SpillOwner {
  readonly arena: string;
  readonly export: string;
}

/** @returns undefined where there is no such file, or no owner can be read out of it */
export async function readSpillOwner(spill: string): Promise<SpillOwner | undefined> {
  let text: string;
  try {
    text = await readFile(ownerFile(spill), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isOwner(value) ? { arena: value.arena, export: value.export } : undefined;
  } catch {
    return undefined;
  }
}

/** Whole and synced, or as it was. */
export async function writeSpillOwner(spill: string, owner: SpillOwner): Promise<void> {
  const file = ownerFile(spill);
  const next = `${file}.${process.pid}`;
  try {
    const handle = await open(next, 'w', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify({ v: 1, arena: owner.arena, export: owner.export })}\n`);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(next, file);
  } catch (error) {
    await unlink(next).catch(() => {});
    throw error;
  }
}

/** Where it is. */
export function ownerFile(spill: string): string {
  return `${spill}.owner`;
}

function isOwner(value: unknown): value is SpillOwner {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return ['arena', 'export'].every((name) => {
    const said = fields.get(name);
    // It is quoted in a line of its own.
    return typeof said === 'string' && /^[^\p{Cc}]+$/u.test(said);
  });
}
