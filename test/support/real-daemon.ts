/** `tmem serve` and `tmem check` as users run them: the built command, a process each, on places of the test's own. */
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StatusDocument } from '../../src/base/status.js';
import { getStatus } from '../../src/client/control/get-status.js';
import { NbdClient } from './nbd-client.js';
import { type Ended, type Places, tmem, type TmemOptions, TmemProcess } from './tmem-process.js';

/** The command as it is built. */
export const main: string = fileURLToPath(new URL('../../src/cli/tmem.js', import.meta.url));

/** So that a suite can be run against several. */
const WORKERS = Number(process.env['TMEM_WORKERS'] ?? 1);

export interface RealDaemonOptions extends TmemOptions {
  /** As on the command line. */
  readonly capacity: string;
  /** Else those of `TMEM_WORKERS`, or 1. */
  readonly workers?: number;
  /** Sizes, as in the config, by the name of the export: `disk` of the guest `vm`, or `guest/disk`. */
  readonly exports: Readonly<Record<string, string>>;
  /** Spill files, of the exports that have one. */
  readonly spill?: Readonly<Record<string, string>>;
  /** Trust domains by guest: its exports have dedup. */
  readonly trust?: Readonly<Record<string, string>>;
}

/** Not ready yet. */
export function serveReal(
  places: Places,
  { capacity, exports, workers = WORKERS, spill = {}, trust = {}, ...options }: RealDaemonOptions,
): TmemProcess {
  const config = path.join(places.folder, 'tmem.toml');
  const lines = Object.entries(exports).map(([name, size]) => {
    const [disk, guest = 'vm'] = name.split('/').toReversed();
    const file = spill[name] === undefined ? '' : `spill = "${spill[name]}"\n`;
    const dedup = trust[guest] === undefined ? '' : 'dedup = true\n';
    return `[guest.${guest}.swap.${disk}]\nsize = "${size}"\n${file}${dedup}`;
  });
  const guests = Object.entries(trust).map(([guest, domain]) => `[guest.${guest}]\ntrust = "${domain}"\n`);
  writeFileSync(config, `workers = ${workers}\n${[...guests, ...lines].join('')}`);
  const folders = ['--run-dir', places.runDir, '--arena', places.arena];
  const args = ['serve', '--config', config, ...folders, '--capacity', capacity, '--http', 'off'];
  return new TmemProcess(args, { ...options, main });
}

export function connectReal(places: Places, name: string): Promise<NbdClient> {
  return NbdClient.connect(path.join(places.runDir, `vm-${name}.nbd`));
}

/** `tmem check` on the arena of a daemon that is gone. */
export function checkReal(places: Places, ...more: string[]): Promise<Ended> {
  return tmem(['check', '--arena', places.arena, ...more], { main });
}

/** A command that asks the daemon of these places. */
export function askReal(places: Places, ...args: string[]): Promise<Ended> {
  return tmem([...args, '--run-dir', places.runDir], { main });
}

/** The same with --json, which must succeed. */
export async function askRealJson<Document>(places: Places, ...args: string[]): Promise<Document> {
  const { code, stdout, stderr } = await askReal(places, ...args, '--json');
  if (code !== 0) throw new Error(stderr);
  const document: Document = JSON.parse(stdout);
  return document;
}

/** The status, without a process for it. */
export async function statusReal(places: Places): Promise<StatusDocument> {
  return (await getStatus(places.runDir)).status;
}

/** What the arena takes from its file system. */
export function arenaBytes(places: Places): number {
  let bytes = 0;
  for (const name of readdirSync(places.arena, { recursive: true, encoding: 'utf8' })) {
    const file = statSync(path.join(places.arena, name), { throwIfNoEntry: false });
    if (file?.isFile() === true && /segment-\d{5}$/.test(name)) bytes += file.blocks * 512;
  }
  return bytes;
}
