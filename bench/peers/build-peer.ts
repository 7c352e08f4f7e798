import { spawnSync } from 'node:child_process';
import { readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { cacheFile, PROJECT_FOLDER } from '../project-files.js';

const PEERS = path.join(PROJECT_FOLDER, 'bench/peers');

/**
 * The program made of `bench/peers/NAME.c`, built with gcc when that or a header beside it is newer. Peers are
 * optimised as distributions build them (-O2).
 *
 * @param libraries - as the linker names them: `lz4` for liblz4
 */
export function buildPeer(name: string, libraries: readonly string[]): string {
  const source = path.join(PEERS, `${name}.c`);
  const program = cacheFile('peers', name);
  const built = statSync(program, { throwIfNoEntry: false });
  const headers = readdirSync(PEERS).filter((file) => file.endsWith('.h'));
  const sources = [source, ...headers.map((file) => path.join(PEERS, file))];
  if (built !== undefined && sources.every((file) => built.mtimeMs > statSync(file).mtimeMs)) return program;
  // Built aside and renamed, because tests may build side by side.
  const fresh = `${program}.${process.pid}`;
  const flags = ['-O2', '-Wall', '-o', fresh, source, ...libraries.map((library) => `-l${library}`)];
  const { status } = spawnSync('gcc', flags, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 60_000 });
  if (status !== 0) throw new Error(`gcc cannot build ${source}`);
  renameSync(fresh, program);
  return program;
}
