/** Where the daemon is that a command is meant for: what the user says, else what the machine's config says. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ownRunDir } from './run-dir.js';

const CONFIG_FILE = '/etc/tmem/tmem.toml';

export async function findRunDir(named: string | undefined): Promise<string> {
  if (named !== undefined) return path.resolve(named);
  let text: string;
  try {
    text = readFileSync(CONFIG_FILE, 'utf8');
  } catch {
    return ownRunDir();
  }
  try {
    const { parse } = await import('smol-toml');
    const { run_dir: runDir } = parse(text);
    return typeof runDir === 'string' ? runDir : ownRunDir();
  } catch {
    // Its mistakes are told to whoever starts a daemon with it.
    return ownRunDir();
  }
}
