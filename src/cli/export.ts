/** `tmem export`: disks that come and go while the daemon runs. */
import { Command, InvalidArgumentError } from 'commander';
import type { ExportRemovedDocument, ExportsDocument } from '../base/changes.js';
import { exportSizeProblem } from '../base/export-size.js';
import { parseSize } from '../base/size.js';
import { spillPathProblem } from '../base/spill-path.js';
import {
  apiPath,
  COMES_BACK,
  type DaemonOptions,
  forcible,
  order,
  showStatus,
  splitName,
  withDaemonOptions,
} from './ask-daemon.js';
import { exportTable } from './status-tables.js';

export function exportCommand(): Command {
  const command = new Command('export').description('list exports, add and remove them at run time');
  withDaemonOptions(command.command('list').description('list all exports')).action((options: DaemonOptions) =>
    showStatus(
      options,
      ({ exports }): ExportsDocument => ({ v: 1, exports }),
      ({ exports }) => exportTable(exports),
    ),
  );

  withDaemonOptions(
    command
      .command('add')
      .description('serve a swap disk until it is removed or the daemon ends; nothing is written to the config')
      .argument('<export>', 'GUEST/NAME; the guest is made where there is none')
      .requiredOption('--size <size>', 'size of the disk, such as 2GiB', sizeFlag)
      .option(
        '--spill <file>',
        'where pages go that leave the store, on a disk; made where it is not there',
        spillFlag,
      ),
  ).action((name: string, options: DaemonOptions & { size: number; spill?: string }) =>
    order(
      options,
      [
        'POST',
        apiPath('exports', ...splitName(name, 'export')),
        { size_bytes: options.size, ...(options.spill !== undefined && { spill: options.spill }) },
      ],
      sayAdded,
    ),
  );

  withDaemonOptions(
    command
      .command('remove')
      .description('stop serving an export; its pool and pages are kept for when it is added again')
      .argument('<export>', 'GUEST/NAME')
      .option('--force', 'also where a client is connected'),
  ).action((name: string, options: DaemonOptions & { force?: true }) =>
    order(options, ['DELETE', forcible(apiPath('exports', ...splitName(name, 'export')), options.force)], sayRemoved),
  );
  return command;
}

function sayAdded(answer: string): string {
  const { exports }: ExportsDocument = JSON.parse(answer);
  return exportTable(exports) + exports.map(({ socket }) => `Socket: ${socket}\n`).join('');
}

function sayRemoved(answer: string): string {
  const { export: name, kept_pages: kept, in_config: inConfig }: ExportRemovedDocument = JSON.parse(answer);
  const cure = kept === 0 ? '' : ` ("tmem pool destroy ${name}" gives them up)`;
  return `Removed export ${name}; ${kept} pages are kept${cure}.\n${inConfig ? COMES_BACK : ''}`;
}

function sizeFlag(written: string): number {
  const parsed = parseSize(written);
  if ('problem' in parsed) throw new InvalidArgumentError(`It is ${parsed.problem}.`);
  const problem = exportSizeProblem(parsed.bytes);
  if (problem !== undefined) throw new InvalidArgumentError(`It is ${problem}.`);
  return parsed.bytes;
}

/** The daemon's folder is not the caller's, so that a relative path would mean another file. */
function spillFlag(written: string): string {
  const problem = spillPathProblem(written);
  if (problem !== undefined) throw new InvalidArgumentError(`It is ${problem}.`);
  return written;
}
