import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { findTool } from '../../src/rig/tools.js';

export interface ProgramWithLibraries {
  readonly programs: Readonly<Record<string, Uint8Array>>;
  readonly libraries: Readonly<Record<string, Uint8Array>>;
}

/** A program of this host together with all the libraries it loads, for an initramfs. */
export function programWithLibraries(name: string): ProgramWithLibraries {
  const program = findTool(name);
  if (program === undefined) throw new Error(`no ${name} on PATH`);
  const told = execFileSync('ldd', [program], { encoding: 'utf8', timeout: 10_000 });
  // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", and the loader: "/lib64/ld-linux-x86-64.so.2 (0x…)".
  const files = [...told.matchAll(/(?<file>\/\S+) \(0x/g)].map((match) => path.resolve(match.groups?.['file'] ?? ''));
  return {
    programs: { [name]: readFileSync(program) },
    libraries: Object.fromEntries(files.map((file) => [file, readFileSync(file)])),
  };
}
