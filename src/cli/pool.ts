/** `tmem pool`: what is stored, and giving it up. */
import { Command } from 'commander';
import type { PoolForgottenDocument, PoolsDocument } from '../base/changes.js';
import {
  apiPath,
  askStatus,
  type DaemonOptions,
  order,
  printDocument,
  splitName,
  withDaemonOptions,
} from './ask-daemon.js';
import { poolTable } from './status-tables.js';

export function poolCommand(): Command {
  const command = new Command('pool').description('list pools, flush them, destroy them');
  withDaemonOptions(command.command('list').description('list all pools')).action(async (options: DaemonOptions) => {
    const { pools } = await askStatus(options);
    if (options.json === true) printDocument({ v: 1, pools } satisfies PoolsDocument);
    else process.stdout.write(poolTable(pools));
  });

  withDaemonOptions(
    command
      .command('flush')
      .description('give up all pages of a pool; the pool stays')
      .argument('<guest>', 'or GUEST/POOL')
      .argument('[pool]')
      .option('--force', 'also where a client is connected, which then reads zeros'),
  ).action((guest: string, pool: string | undefined, options: DaemonOptions & { force?: true }) =>
    order<PoolForgottenDocument>(
      options,
      ['POST', `${apiPath('pools', ...poolName(guest, pool), 'flush')}${options.force === true ? '?force=true' : ''}`],
      (flushed) => `Flushed pool ${flushed.pool}: ${flushed.pages} pages.\n`,
    ),
  );

  withDaemonOptions(
    command
      .command('destroy')
      .description('give up a pool that no export serves, with all its pages')
      .argument('<guest>', 'or GUEST/POOL')
      .argument('[pool]'),
  ).action((guest: string, pool: string | undefined, options: DaemonOptions) =>
    order<PoolForgottenDocument>(
      options,
      ['DELETE', apiPath('pools', ...poolName(guest, pool))],
      (destroyed) => `Destroyed pool ${destroyed.pool}: ${destroyed.pages} pages.\n`,
    ),
  );
  return command;
}

/** `GUEST POOL`, or `GUEST/POOL` as the status shows it. */
function poolName(guest: string, pool: string | undefined): readonly [guest: string, pool: string] {
  return splitName(pool === undefined ? guest : `${guest}/${pool}`, 'pool');
}
