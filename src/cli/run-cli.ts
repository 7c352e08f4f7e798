/**
 * The `tmem` command: verbs and options, exit status, the one line of an error. A verb's file says what it takes;
 * what it does is imported when it runs, so that none pays for another.
 */
import { Command, CommanderError } from 'commander';
import { ERROR_CODES, TmemError } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import type { DaemonParts } from '../daemon/run-daemon.js';
import { attachCommand } from './attach.js';
import { checkCommand } from './check.js';
import { demoCommand } from './demo.js';
import { exportCommand } from './export.js';
import { guestCommand } from './guest.js';
import { poolCommand } from './pool.js';
import { serveCommand } from './serve.js';
import { statusCommand } from './status.js';

/**
 * @param args - without the names of Node and the script
 * @param parts - what tests put in the daemon's place
 * @returns the exit status: 0 done, 1 failed, 2 usage or config
 */
export async function runCli(args: readonly string[], parts: Partial<DaemonParts> = {}): Promise<number> {
  const program = new Command('tmem')
    .description('Transcendent memory as a user-space service: idle memory, pooled and lent page by page.')
    .version(VERSION, '--version', 'print the version')
    .addHelpText('after', '\nExit status: 0 done, 1 failed, 2 usage or config. Errors: docs/errors.md.');
  for (const command of [
    serveCommand(parts),
    statusCommand(),
    attachCommand(),
    guestCommand(),
    exportCommand(),
    poolCommand(),
    checkCommand(),
    demoCommand(),
  ])
    program.addCommand(command);
  for (const command of allOf(program))
    command
      .helpOption('--help', 'print this')
      .helpCommand(false)
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
  // A reader that leaves early (`tmem status | head -1`) is no error.
  process.stdout.on('error', () => {});
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const verb = program.commands.find((command) => command.name() === args[0]);
    const { code, message } = describeError(error, verb === undefined ? 'tmem' : `tmem ${verb.name()}`);
    process.stderr.write(`tmem: ${code}: ${message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return ERROR_CODES[code];
  }
}

/** A command with its verbs, and theirs. */
function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

function describeError(error: unknown, command: string): { code: TmemError['code']; message: string } {
  if (error instanceof TmemError) return error;
  // Commander would print the whole help where no command is given.
  if (error instanceof CommanderError && error.code === 'commander.help')
    return { code: 'E_USAGE', message: `no command: see "${command} --help"` };
  if (error instanceof CommanderError)
    return { code: 'E_USAGE', message: `${error.message.replace(/^error: /, '')}: see "${command} --help"` };
  return { code: 'E_INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
