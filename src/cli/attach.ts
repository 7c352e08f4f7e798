/** `tmem attach`: the exact lines that give an export to a guest. */
import { Command } from 'commander';
import { TmemError } from '../base/errors.js';
import type { StatusExport } from '../base/status.js';
import { attachLines } from './attach-lines.js';

interface Options {
  readonly runDir?: string;
  readonly qemu?: true;
  readonly libvirt?: true;
  readonly nbdClient?: true;
  readonly json?: true;
}

export function attachCommand(): Command {
  return new Command('attach')
    .description('print the lines that give an export to a guest')
    .argument('<export>', 'GUEST/EXPORT, as in "tmem status"')
    .option('--qemu', 'arguments for QEMU (default)')
    .option('--libvirt', "an element for libvirt's domain XML")
    .option('--nbd-client', "a command for the kernel's own client")
    .option('--run-dir <dir>', 'the run_dir of the daemon to ask (default: that of a "tmem serve" without flags)')
    .option('--json', 'print all of them in one JSON document')
    .action(async (name: string, options: Options) => {
      const chosen = [options.qemu, options.libvirt, options.nbdClient].filter((choice) => choice === true);
      if (chosen.length > 1) throw new TmemError('E_USAGE', 'choose one of --qemu, --libvirt and --nbd-client');
      const { findRunDir } = await import('../client/control/find-run-dir.js');
      const { getStatus } = await import('../client/control/get-status.js');
      const { status } = await getStatus(await findRunDir(options.runDir));
      const lines = attachLines(requireExport(status.exports, name));
      if (options.json === true) process.stdout.write(`${JSON.stringify(lines.document)}\n`);
      else if (options.libvirt === true) process.stdout.write(lines.libvirt);
      else if (options.nbdClient === true) process.stdout.write(lines.nbdClient);
      else process.stdout.write(lines.qemu);
    });
}

function requireExport(exports: readonly StatusExport[], name: string): StatusExport {
  const found = exports.find((disk) => disk.name === name);
  if (found !== undefined) return found;
  const known = exports.length === 0 ? 'there are none' : `there are ${exports.map((disk) => disk.name).join(', ')}`;
  throw new TmemError('E_NOT_FOUND', `no export "${name}": ${known}`);
}
