/** `tmem guest`: who is served, what each may have, freeze, thaw, and a guest's only death. */
import { Command } from 'commander';
import type { GuestDocument, GuestRemovedDocument, GuestsDocument } from '../base/changes.js';
import { TmemError } from '../base/errors.js';
import { notFound } from '../base/not-found.js';
import type { StatusDocument } from '../base/status.js';
import {
  apiPath,
  COMES_BACK,
  type DaemonOptions,
  forcible,
  order,
  showStatus,
  withDaemonOptions,
} from './ask-daemon.js';
import { guestSettings, WITHOUT_EFFECT } from './guest-settings.js';
import { exportTable, guestTable, poolTable } from './status-tables.js';

export function guestCommand(): Command {
  const command = new Command('guest').description('show guests, limit them, freeze them, remove them');
  withDaemonOptions(command.command('list').description('list all guests')).action((options: DaemonOptions) =>
    showStatus(
      options,
      ({ guests }): GuestsDocument => ({ v: 1, guests }),
      ({ guests }) => guestTable(guests),
    ),
  );

  withDaemonOptions(
    command.command('show').description('show one guest, its exports and its pools').argument('<guest>'),
  ).action(show);

  withDaemonOptions(
    command
      .command('set')
      .description('limit a guest until the config is read again; nothing is written to it')
      .argument('<guest>')
      .argument('<setting...>', 'cap=SIZE|none, weight=N, reservation=SIZE|none'),
  ).action((guest: string, settings: string[], options: DaemonOptions) =>
    order(options, ['POST', apiPath('guests', guest), guestSettings(settings)], (answer) =>
      [sayGuests(answer), settings.some((each) => !each.startsWith('cap=')) ? WITHOUT_EFFECT : ''].join(''),
    ),
  );

  for (const verb of ['freeze', 'thaw'] as const)
    withDaemonOptions(
      command
        .command(verb)
        .description(verb === 'freeze' ? 'let a guest store no new page until it is thawed' : 'end a freeze')
        .argument('[guest]')
        .option('--all', 'all guests that there are now'),
    ).action((guest: string | undefined, options: DaemonOptions & { all?: true }) => {
      if ((guest === undefined) !== (options.all === true))
        throw new TmemError('E_USAGE', `name one guest, or use --all: see "tmem guest ${verb} --help"`);
      const path = guest === undefined ? apiPath(verb) : apiPath('guests', guest, verb);
      return order(options, ['POST', path], sayGuests);
    });

  withDaemonOptions(
    command
      .command('remove')
      .description('the death of a guest: its exports, its pools and all its pages go')
      .argument('<guest>')
      .option('--force', 'also where a client is connected'),
  ).action((guest: string, options: DaemonOptions & { force?: true }) =>
    order(options, ['DELETE', forcible(apiPath('guests', guest), options.force)], sayRemoved),
  );
  return command;
}

function sayGuests(answer: string): string {
  const { guests }: GuestsDocument = JSON.parse(answer);
  return guestTable(guests);
}

function sayRemoved(answer: string): string {
  const { guest, exports, pools, pages, in_config: inConfig }: GuestRemovedDocument = JSON.parse(answer);
  const what = `${exports.length} exports, ${pools} pools, ${pages} pages`;
  return `Removed guest ${guest}: ${what}.\n${inConfig ? COMES_BACK : ''}`;
}

function show(name: string, options: DaemonOptions): Promise<void> {
  return showStatus(
    options,
    (status) => guestIn(status, name),
    ({ guest, exports, pools }) => [guestTable([guest]), exportTable(exports), poolTable(pools)].join('\n'),
  );
}

function guestIn(status: StatusDocument, name: string): GuestDocument {
  const guest = status.guests.find((each) => each.name === name);
  if (guest === undefined)
    throw notFound(
      'guest',
      name,
      status.guests.map((each) => each.name),
    );
  const exports = status.exports.filter((each) => each.name.startsWith(`${name}/`));
  const pools = status.pools.filter((each) => each.guest === name);
  return { v: 1, guest, exports, pools };
}
