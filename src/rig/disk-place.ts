import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** The number by which Linux tells a tmpfs: `TMPFS_MAGIC`. */
const TMPFS = 0x01021994;

/** Where files of ours may be on a disk: the temp dir, or `/var/tmp` where that is memory. The temp dir if both are. */
export function diskPlace(candidates: readonly string[] = [tmpdir(), '/var/tmp']): string {
  return candidates.find(isOnDisk) ?? candidates[0] ?? tmpdir();
}

function isOnDisk(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return statfsSync(folder).type !== TMPFS;
  } catch {
    return false;
  }
}
