/** `tmem serve`: the daemon, in the foreground. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { capacityProblem } from '../base/capacity.js';
import { formatSize, parseSize } from '../base/size.js';
import { formatHttpAddress, type HttpAddress, parseHttpAddress } from '../daemon/config/http-address.js';
import type { ServeFlags } from '../daemon/config/config.js';
import type { DaemonParts } from '../daemon/run-daemon.js';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

interface Options extends Omit<ServeFlags, 'capacityBytes'> {
  readonly capacity?: number;
  readonly checkConfig?: true;
}

export function serveCommand(parts: Partial<DaemonParts>): Command {
  return new Command('serve')
    .description('run the daemon in the foreground')
    .option('--config <file>', 'TOML config (default: /etc/tmem/tmem.toml when present)')
    .option('--run-dir <dir>', 'where sockets and ready.json go')
    .option('--arena <dir>', 'where pages are kept; on tmpfs they survive the daemon, on a disk the host')
    .option('--capacity <size>', 'most that the arena may occupy, such as 2GiB', capacityFlag)
    .option(
      '--http <host:port>',
      'HTTP, read-only without the token of token_file, "off" for none, port 0 picks one (default: 127.0.0.1:7070)',
      httpFlag,
    )
    .addOption(new Option('--log-level <level>', 'JSON lines on stderr from this level on').choices(LOG_LEVELS))
    .option('--check-config', 'say whether the config is good, and start nothing')
    .action(async ({ capacity, checkConfig, ...rest }: Options) => {
      const flags: ServeFlags = { ...rest, capacityBytes: capacity };
      if (checkConfig === true) return checkOnly(flags, parts);
      const { runDaemon } = await import('../daemon/run-daemon.js');
      return runDaemon(flags, parts);
    });
}

async function checkOnly(flags: ServeFlags, parts: Partial<DaemonParts>): Promise<void> {
  const { resolveConfig } = await import('../daemon/config/resolve-config.js');
  const { thisMachine } = await import('../daemon/config/surroundings.js');
  const config = resolveConfig(flags, parts.machine ?? thisMachine);
  for (const { text } of config.warnings) process.stderr.write(`tmem: warning: ${text}\n`);
  const exports = config.guests.flatMap((guest) => guest.exports);
  const http = config.http === null ? 'off' : formatHttpAddress(config.http);
  process.stdout.write(
    `ok: ${config.file ?? 'no config file'}: ${exports.length} exports of ${config.guests.length} guests, ` +
      `arena ${config.arena.path} (${config.arena.fs}, ${formatSize(config.capacityBytes)}), run_dir ${config.runDir}, http ${http}\n`,
  );
}

function capacityFlag(written: string): number {
  const parsed = parseSize(written);
  if ('problem' in parsed) throw new InvalidArgumentError(`It is ${parsed.problem}.`);
  const problem = capacityProblem(parsed.bytes);
  if (problem !== undefined) throw new InvalidArgumentError(`It is ${problem}.`);
  return parsed.bytes;
}

function httpFlag(written: string): HttpAddress | 'off' {
  if (written === 'off') return 'off';
  const parsed = parseHttpAddress(written);
  if ('problem' in parsed) throw new InvalidArgumentError(`It is ${parsed.problem}.`);
  return parsed.value;
}
