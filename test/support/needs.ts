import { spawnSync } from 'node:child_process';
import { findKernel } from '../../src/rig/find-kernel.js';
import { tracesFolder } from '../../src/lab/traces/known-traces.js';
import { findTool, projectFolder } from '../../src/rig/tools.js';
import { diskFolder } from './disk-places.js';

/**
 * For `test(title, { skip: needs('gcc', 'liblz4') }, ...)`: false when all of these are here, else why the test is
 * skipped. A tool is the name of a program, or one of {@link PROBES}.
 *
 * @throws Error when a missing tool is named in `TMEM_REQUIRE` (separated by commas or spaces; `all` names every
 *   tool that can be installed), so that where a tool must be there, its absence is a failure and not silence
 */
export function needs(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => !(PROBES[tool] ?? onPath)(tool));
  return missing.length > 0 && excuseFor(...missing);
}

/** The reason to skip a test for want of these, for a test that finds out only when it runs. @throws as {@link needs} */
export function excuseFor(...missing: readonly string[]): string {
  const required = (process.env['TMEM_REQUIRE'] ?? '').split(/[\s,]+/);
  const unexcused = missing.filter(
    (tool) => required.includes(tool) || (required.includes('all') && !NOT_IN_PACKAGES.has(tool)),
  );
  if (unexcused.length > 0) throw new Error(`required by TMEM_REQUIRE and not here: ${unexcused.join(', ')}`);
  return `not here: ${missing.join(', ')}`;
}

/** What nobody can install: required by its own name alone. */
const NOT_IN_PACKAGES: ReadonlySet<string> = new Set(['traces']);

/** How to find what is not a program. */
const PROBES: Readonly<Record<string, (tool: string) => boolean>> = {
  liblz4: () => links('lz4.h', 'lz4'),
  libnbd: () => links('libnbd.h', 'nbd'),
  'fio-nbd': fioSpeaksNbd,
  'guest-kernel': hasGuestKernel,
  // An ordinary file system, where files outlive a power loss only when they are synced.
  disk: () => diskFolder() !== undefined,
  // Of references to pages, as others publish them.
  traces: () => tracesFolder(projectFolder()) !== null,
  // To mount a file system of its own, to be another user.
  root: () => process.getuid!() === 0,
};

function onPath(tool: string): boolean {
  return findTool(tool) !== undefined;
}

function hasGuestKernel(): boolean {
  try {
    findKernel();
    return true;
  } catch {
    return false;
  }
}

/** An engine that fio may have been built without. */
function fioSpeaksNbd(): boolean {
  const fio = findTool('fio');
  if (fio === undefined) return false;
  return /^\s*nbd$/m.test(spawnSync(fio, ['--enghelp'], { encoding: 'utf8', timeout: 20_000 }).stdout);
}

/** Whether a C program that uses the library can be built. */
function links(header: string, library: string): boolean {
  const flags = ['-x', 'c', '-', '-include', header, `-l${library}`, '-o', '/dev/null'];
  return spawnSync('gcc', flags, { input: 'int main(void) { return 0; }', timeout: 20_000 }).status === 0;
}
