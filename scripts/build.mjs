// Kernel by asc, everything else by tsc, into an empty dist/, so that no file outlives its source.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/kernel', { recursive: true });
node('node_modules/assemblyscript/bin/asc.js', '--target', 'release');
node('node_modules/typescript/bin/tsc', '-p', '.');

function node(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
