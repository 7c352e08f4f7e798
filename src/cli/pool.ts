/** `tmem pool`: what is stored, and giving it up. */
import { Command } from 'commander';
import type { PoolForgottenDocument, PoolsDocument } from '../base/changes.js';
import {
  apiPath,
  type DaemonOptions,
  forcible,
  order,
  showStatus,
  splitName,
  withDaemonOptions,
} from './ask-daemon.js';
import { poolTable } from './status-tables.js';

export function poolCommand(): Command {
  const command = new Command('pool').description('list pools, flush them, destroy them');
  withDaemonOptions(command.command('list').description('list all pools')).action((options: DaemonOptions) =>
    showStatus(
      options,
      ({ pools }): PoolsDocument => ({ v: 1, pools }),
      ({ pools }) => poolTable(pools),
    ),
  );

  withDaemonOptions(
    command
      .command('flush')
      .description('give up all pages of a pool; the pool stays')
      .argument('<guest>', 'or GUEST/POOL')
      .argument('[pool]')
      .option('--force', 'also where a client is connected, which then reads zeros'),
  ).action((guest: string, pool: string | undefined, options: DaemonOptions & { force?: true }) =>
    order(
      options,
      ['POST', forcible(apiPath('pools', ...poolName(guest, pool), 'flush'), options.force)],
      (answer) => `Flushed ${sayForgotten(answer)}`,
    ),
  );

  withDaemonOptions(
    command
      .command('destroy')
      .description('give up a pool that no export serves, with all its pages')
      .argument('<guest>', 'or GUEST/POOL')
      .argument('[pool]'),
  ).action((guest: string, pool: string | undefined, options: DaemonOptions) =>
    order(
      options,
      ['DELETE', apiPath('pools', ...poolName(guest, pool))],
      (answer) => `Destroyed ${sayForgotten(answer)}`,
    ),
  );
  return command;
}

function sayForgotten(answer: string): string {
  const { pool, pages }: PoolForgottenDocument = JSON.parse(answer);
  return `pool ${pool}: ${pages} pages.\n`;
}

/** `GUEST POOL`, or `GUEST/POOL` as the status shows it. */
function poolName(guest: string, pool: string | undefined): readonly [guest: string, pool: string] {
  return splitName(pool === undefined ? guest : `${guest}/${pool}`, 'pool');
}
