import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { PROJECT_FOLDER } from './project-files.js';

/** Where figures were taken: without it they mean nothing. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly linux: string;
  readonly node: string;
  /** With `+` where the working tree differs from it; null outside a git tree. */
  readonly commit: string | null;
}

export function thisMachine(): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memory_bytes: os.totalmem(),
    linux: os.release(),
    node: process.version,
    commit: commit(),
  };
}

export function machineLine({ cpu, cores, memory_bytes, linux, node, commit: of }: Machine): string {
  const gib = Math.round(memory_bytes / 2 ** 30);
  return `${cpu}, ${cores} cores, ${gib} GiB, Linux ${linux}, Node ${node}, tmem ${of ?? 'outside git'}`;
}

function commit(): string | null {
  const hash = git('rev-parse', '--short', 'HEAD');
  if (hash === null) return null;
  // Results are written while others are still measured.
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs/results');
  return changed === '' ? hash : `${hash}+`;
}

function git(...args: readonly string[]): string | null {
  const { status, stdout } = spawnSync('git', ['-C', PROJECT_FOLDER, ...args], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? stdout.trim() : null;
}
