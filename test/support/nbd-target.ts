/**
 * What the interop and hostile suites are run against: a process of its own that serves one export at a unix socket.
 * Here it is the NBD server over memory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MIB } from '../../src/base/units.js';

export interface NbdTarget {
  pid: number;
  socketPath: string;
  /** For tools that take an NBD URI. */
  uri: string;
  sizeBytes: number;
  stop: () => Promise<void>;
}

export interface NbdTargetOptions {
  sizeBytes?: number;
  transport?: 'onread' | 'stream';
  /** Busy time per page, as a store would have. */
  pageUs?: number;
}

/** No suite uses one for longer. */
const LIFETIME_MS = 300_000;

export async function startNbdTarget(options: NbdTargetOptions = {}): Promise<NbdTarget> {
  const { sizeBytes = 256 * MIB, transport = 'onread', pageUs = 0 } = options;
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-nbd-'));
  const socketPath = path.join(folder, 'disk.nbd');
  const main = fileURLToPath(new URL('nbd-server-main.js', import.meta.url));
  const args = ['--enable-source-maps', main, socketPath, String(sizeBytes), transport, String(pageUs)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], timeout: LIFETIME_MS });
  await ready(child);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
    }
    rmSync(folder, { recursive: true, force: true });
  };
  return { pid: child.pid ?? 0, socketPath, uri: `nbd+unix:///?socket=${socketPath}`, sizeBytes, stop };
}

/** Open descriptors of a process. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export function residentBytesOf(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('error', reject);
    child.once('exit', (status) => reject(new Error(`NBD target ended with ${status} before it was ready`)));
  });
}
