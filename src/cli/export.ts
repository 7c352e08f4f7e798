/** `tmem export`: disks that come and go while the daemon runs. */
import { Command, InvalidArgumentError } from 'commander';
import type { ExportRemovedDocument, ExportsDocument } from '../base/changes.js';
import { exportSizeProblem } from '../base/export-size.js';
import { parseSize } from '../base/size.js';
import {
  apiPath,
  askStatus,
  COMES_BACK,
  type DaemonOptions,
  order,
  printDocument,
  splitName,
  withDaemonOptions,
} from './ask-daemon.js';
import { exportTable } from './status-tables.js';

export function exportCommand(): Command {
  const command = new Command('export').description('list exports, add and remove them at run time');
  withDaemonOptions(command.command('list').description('list all exports')).action(async (options: DaemonOptions) => {
    const { exports } = await askStatus(options);
    if (options.json === true) printDocument({ v: 1, exports } satisfies ExportsDocument);
    else process.stdout.write(exportTable(exports));
  });

  withDaemonOptions(
    command
      .command('add')
      .description('serve a swap disk until it is removed or the daemon ends; nothing is written to the config')
      .argument('<export>', 'GUEST/NAME; the guest is made where there is none')
      .requiredOption('--size <size>', 'size of the disk, such as 2GiB', sizeFlag),
  ).action((name: string, options: DaemonOptions & { size: number }) =>
    order<ExportsDocument>(
      options,
      ['POST', apiPath('exports', ...splitName(name, 'export')), { size_bytes: options.size }],
      ({ exports }) => exportTable(exports) + exports.map((each) => `Socket: ${each.socket}\n`).join(''),
    ),
  );

  withDaemonOptions(
    command
      .command('remove')
      .description('stop serving an export; its pool and pages are kept for when it is added again')
      .argument('<export>', 'GUEST/NAME')
      .option('--force', 'also where a client is connected'),
  ).action((name: string, options: DaemonOptions & { force?: true }) =>
    order<ExportRemovedDocument>(
      options,
      ['DELETE', `${apiPath('exports', ...splitName(name, 'export'))}${options.force === true ? '?force=true' : ''}`],
      (removed) =>
        `Removed export ${removed.export}; ${removed.kept_pages} pages are kept` +
        ` ("tmem pool destroy ${removed.export}" gives them up).\n` +
        (removed.in_config ? COMES_BACK : ''),
    ),
  );
  return command;
}

function sizeFlag(written: string): number {
  const parsed = parseSize(written);
  if ('problem' in parsed) throw new InvalidArgumentError(`It is ${parsed.problem}.`);
  const problem = exportSizeProblem(parsed.bytes);
  if (problem !== undefined) throw new InvalidArgumentError(`It is ${problem}.`);
  return parsed.bytes;
}
