/**
 * How others learn that the daemon is up: `RUN_DIR/ready.json`, renamed into place so that nobody reads half of it;
 * then the line on stdout; then systemd, where it asked to be told.
 */
import { spawn } from 'node:child_process';
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Recovered } from '../base/shard-port.js';
import type { ReadyDocument } from '../base/status.js';
import { VERSION } from '../base/version.js';
import { controlSocket } from '../client/control/run-dir.js';
import { exportUri } from '../host/host-view.js';
import type { Config } from './config/config.js';

export function readyDocument(config: Config, http: string | null, recovered: Recovered): ReadyDocument {
  return {
    v: 1,
    pid: process.pid,
    version: VERSION,
    run_dir: config.runDir,
    arena: config.arena.path,
    control: controlSocket(config.runDir),
    http,
    recovered: {
      pages: recovered.pages,
      dropped_records: recovered.droppedRecords,
      seconds_s: recovered.seconds,
    },
    exports: config.guests
      .flatMap(({ exports }) => exports)
      .map((spec) => ({
        name: `${spec.guest}/${spec.name}`,
        socket: spec.socket,
        uri: exportUri(spec),
        mode: 'swap',
        size_bytes: spec.sizeBytes,
      })),
  };
}

export function writeReadyFile(runDir: string, document: ReadyDocument): void {
  const file = readyFile(runDir);
  const beside = `${file}.${process.pid}`;
  writeFileSync(beside, `${JSON.stringify(document)}\n`);
  // It names paths and holds no secret: whoever may look into the directory may read it, whatever our umask.
  chmodSync(beside, 0o644);
  renameSync(beside, file);
}

export function removeReadyFile(runDir: string): void {
  rmSync(readyFile(runDir), { force: true });
}

/**
 * Node cannot send datagrams on Unix sockets, so systemd's own tool does; the unit needs NotifyAccess=all for that.
 * @returns what went wrong, if anything
 */
export function tellSystemd(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const tool = spawn('systemd-notify', ['--ready', `--pid=${process.pid}`], { stdio: 'ignore', timeout: 5000 });
    tool.once('error', (error) => resolve(error.message));
    tool.once('exit', (code) => resolve(code === 0 ? undefined : `systemd-notify ended with ${code}`));
  });
}

function readyFile(runDir: string): string {
  return path.join(runDir, 'ready.json');
}
