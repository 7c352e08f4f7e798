import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Tools of root stand outside a user's PATH on Debian, yet run for anyone. */
const ALSO_LOOKED_AT = ['/usr/sbin', '/sbin'];

/** Full path of an executable on PATH (or in the folders of root's tools), or undefined. */
export function findTool(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return [...folders, ...ALSO_LOOKED_AT].map((folder) => path.join(folder, name)).find(isExecutableFile);
}

/** Where things fetched or compiled for the rig stay: `$TMEM_CACHE`, else `.cache` of the project. */
export function cacheFolder(): string {
  return process.env['TMEM_CACHE'] || path.join(projectFolder(), '.cache');
}

/** The folder that holds package.json. */
export function projectFolder(): string {
  return path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
}

function isExecutableFile(at: string): boolean {
  try {
    accessSync(at, constants.X_OK);
    return statSync(at).isFile();
  } catch {
    return false;
  }
}
