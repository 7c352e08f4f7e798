import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The working tree: we are `dist/bench/project-files.js` in it. */
export const PROJECT_FOLDER: string = fileURLToPath(new URL('../../', import.meta.url));

/** A file of what may be made again at any time; its folder exists. */
export function cacheFile(...names: readonly string[]): string {
  const file = path.join(PROJECT_FOLDER, '.cache', ...names);
  mkdirSync(path.dirname(file), { recursive: true });
  return file;
}
