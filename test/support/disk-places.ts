/** Places for a daemon whose arena is on an ordinary file system. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { thisMachine } from '../../src/daemon/config/surroundings.js';
import { projectFolder } from '../../src/rig/tools.js';
import { makePlaces, type Places } from './tmem-process.js';

/** A folder on a disk, for arenas of tests; undefined where the temp dir and the project are both on tmpfs. */
export function diskFolder(): string | undefined {
  const candidates = [tmpdir(), path.join(projectFolder(), 'dist')];
  return candidates.find((place) => {
    const { tmpfs, writable } = thisMachine.fileSystemOf(place);
    return !tmpfs && writable;
  });
}

/** As {@link makePlaces}, where there is a disk. */
export function makeDiskPlaces(): Places {
  const places = makePlaces();
  const disk = mkdtempSync(path.join(diskFolder()!, 'tmem-disk-'));
  return {
    ...places,
    arena: path.join(disk, 'arena'),
    remove(): void {
      places.remove();
      rmSync(disk, { recursive: true, force: true });
    },
  };
}
