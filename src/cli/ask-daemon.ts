/** What the verbs that ask a daemon have in common. What it takes to ask is imported when they run. */
import type { Command } from 'commander';
import { TmemError } from '../base/errors.js';
import { quoted } from '../base/not-found.js';
import type { StatusDocument } from '../base/status.js';

export interface DaemonOptions {
  readonly runDir?: string;
  readonly json?: true;
}

export function withDaemonOptions(command: Command): Command {
  return command
    .option('--run-dir <dir>', 'the run_dir of the daemon to ask (default: that of a "tmem serve" without flags)')
    .option('--json', 'print one JSON document');
}

async function askStatus({ runDir }: DaemonOptions): Promise<StatusDocument> {
  const { findRunDir } = await import('../client/control/find-run-dir.js');
  const { getStatus } = await import('../client/control/get-status.js');
  return (await getStatus(await findRunDir(runDir))).status;
}

/** An order; with --json its answer is printed as it came, else as the lines that `say` makes of that document. */
export async function order(
  { runDir, json }: DaemonOptions,
  [method, path, body]: readonly [method: 'POST' | 'DELETE', path: string, body?: object],
  say: (answer: string) => string,
): Promise<void> {
  const { findRunDir } = await import('../client/control/find-run-dir.js');
  const { changeControl } = await import('../client/control/control-client.js');
  const text = await changeControl(await findRunDir(runDir), method, path, body);
  process.stdout.write(json === true ? text : say(text));
}

/** A part of the status: with --json as a document, else as the lines that `say` makes of it. */
export async function showStatus<Document extends object>(
  options: DaemonOptions,
  part: (status: StatusDocument) => Document,
  say: (document: Document) => string,
): Promise<void> {
  const document = part(await askStatus(options));
  process.stdout.write(options.json === true ? `${JSON.stringify(document)}\n` : say(document));
}

/** `GUEST/NAME`, in parts that fit into a path of the API. */
export function splitName(full: string, what: string): readonly [guest: string, name: string] {
  const [guest, name, ...more] = full.split('/');
  if (guest === undefined || guest === '' || name === undefined || name === '' || more.length > 0)
    throw new TmemError('E_USAGE', `${quoted(full)} names no ${what}: write GUEST/NAME, as in "tmem status"`);
  return [guest, name];
}

export function apiPath(...parts: readonly string[]): string {
  return `/api/v1/${parts.map(encodeURIComponent).join('/')}`;
}

/** A path whose change is refused while a client is connected, unless it is forced. */
export function forcible(path: string, force: true | undefined): string {
  return force === true ? `${path}?force=true` : path;
}

/** For the answers that say that the config will bring back what went. */
export const COMES_BACK = 'The config names it: take it out there too, or the next SIGHUP or start serves it again.\n';
