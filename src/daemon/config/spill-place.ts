/** Where spill files may be, as far as their paths tell. */
import path from 'node:path';
import type { Warning } from '../../base/status.js';
import type { GuestConfig } from './config.js';
import type { Surroundings } from './surroundings.js';

/** Said of a path; undefined where it may be. Pages that leave the arena must not land in it. */
export function spillInArena(spill: string, arena: string): string | undefined {
  const isInside = spill === arena || spill.startsWith(arena === '/' ? '/' : `${arena}${path.sep}`);
  return isInside ? `inside the arena ${arena}: name a file elsewhere, on a disk` : undefined;
}

/** A spill file in memory frees none: a page takes more there than in the store. */
export function spillWarnings(guests: readonly GuestConfig[], machine: Surroundings): Warning[] {
  return guests
    .flatMap(({ exports }) => exports)
    .filter(({ spill }) => spill !== null && machine.fileSystemOf(path.dirname(spill)).tmpfs)
    .map(({ guest, name, spill }) => ({
      code: 'spill-in-memory',
      text: `spill file ${spill} of ${guest}/${name} is on a tmpfs, so pages take more memory there than in the store: name a file on a disk`,
    }));
}
