import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder, findTool, projectFolder } from './tools.js';

/**
 * A program for guests, compiled from `test/guest/NAME.c` when it is first wanted: static, because a guest has no
 * libraries. Kept in the cache under the hash of its source.
 *
 * @returns undefined where there is no compiler, no static libc or no source (an installed package carries none)
 */
export function guestProgram(name: 'hog'): Uint8Array | undefined {
  const source = path.join(projectFolder(), 'test/guest', `${name}.c`);
  const compiler = findTool('gcc') ?? findTool('cc');
  if (compiler === undefined || !existsSync(source)) return undefined;
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const program = path.join(cacheFolder(), 'guest-programs', `${name}-${hash}`);
  if (!existsSync(program)) {
    mkdirSync(path.dirname(program), { recursive: true });
    const unfinished = `${program}.${process.pid}`;
    try {
      execFileSync(compiler, ['-static', '-O2', '-Wall', '-o', unfinished, source], { stdio: 'pipe', timeout: 60_000 });
    } catch {
      return undefined;
    }
    renameSync(unfinished, program);
  }
  return readFileSync(program);
}
