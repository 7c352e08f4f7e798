import { existsSync } from 'node:fs';
import path from 'node:path';
import { readTrace, type TraceFormat } from './read-trace.js';
import type { BlockOptions } from './block-formats.js';
import type { Trace } from './trace.js';

/** Public traces that figures are taken on. They are not part of the project: whoever has them names their folder. */
export interface KnownTrace {
  readonly name: string;
  readonly file: string;
  readonly format: TraceFormat;
  readonly options: Partial<BlockOptions>;
}

/** A database, a workstation's disk, a virtual machine's disk, two web shops, a file server. */
export const KNOWN_TRACES: readonly KnownTrace[] = [
  { name: 'P3', file: 'arc-P3.lis.gz', format: 'lis', options: {} },
  { name: 'OLTP', file: 'arc-OLTP.lis.gz', format: 'lis', options: { blockBytes: 4096 } },
  { name: 'CloudPhysics', file: 'cloudphysics-sample.csv.gz', format: 'vscsi', options: {} },
  { name: 'orm-busy', file: 'cache2k-orm-busy.u32be.gz', format: 'u32be', options: {} },
  { name: 'web07', file: 'cache2k-web07.u32be.gz', format: 'u32be', options: {} },
  { name: 'sprite', file: 'lirs-sprite.txt.gz', format: 'lirs', options: {} },
];

/** The folder that `TMEM_TRACES` names, else one beside the project's: null where the traces are not all there. */
export function tracesFolder(projectFolder: string): string | null {
  const folder = process.env['TMEM_TRACES'] ?? path.join(projectFolder, '..', 'shared', 'traces');
  return KNOWN_TRACES.every(({ file }) => existsSync(path.join(folder, file))) ? folder : null;
}

export function readKnownTrace(folder: string, name: string, options: Partial<BlockOptions> = {}): Trace {
  const known = KNOWN_TRACES.find((trace) => trace.name === name)!;
  return readTrace(path.join(folder, known.file), known.format, { ...known.options, ...options });
}
