/**
 * The store as the host has it: one or several shards behind one port. Each has a part of the arena; a worker thread has
 * one shard, and where there were more workers once, those of the parts that are left over as well:
 *
 *      workers = 2, parts 0 to 3:     thread 0: shards 0, 2     thread 1: shards 1, 3
 *
 * No page is moved when the number changes, so there is nothing that a death could interrupt; see decision 40.
 */
import { TmemError } from '../base/errors.js';
import { notFound } from '../base/not-found.js';
import type { ExportSpec, Forgotten, GuestLimits, Recovered, ShardStatus, StoreOptions } from '../base/shard-port.js';
import { sumOfStatuses } from '../host/status-sum.js';
import type { StorePort } from '../host/store-port.js';
import type { GuestAccounts } from './guest-accounts.js';
import { openParts } from './open-parts.js';
import { Placement } from './placement.js';
import { holdersOf } from './pool-holders.js';
import { type CrewOptions, ShardCrew, type CrewShard } from './shard-crew.js';

export class Shards implements StorePort {
  readonly #crew: ShardCrew;
  readonly #tell: (text: string) => void;
  #capacityBytes = 0;
  #placement = new Placement([]);
  /** Where there are several. */
  #accounts: GuestAccounts | undefined;

  constructor(options: CrewOptions) {
    this.#crew = new ShardCrew(options);
    this.#tell = (text) => options.events.log('warn', text, null);
  }

  /** Each of them, for whoever watches that they answer. */
  get each(): readonly Pick<StorePort, 'ping'>[] {
    return this.#crew.shards.map(({ client }) => client);
  }

  async open(options: StoreOptions): Promise<Recovered> {
    this.#capacityBytes = options.capacityBytes;
    const { statuses, recovered, accounts } = await openParts(this.#crew, options, this.#tell);
    this.#accounts = accounts;
    const { shards, workers } = this.#crew;
    this.#placement = new Placement(shards.map(({ part, thread }) => ({ part, thread, isOpen: part < workers })));
    const holders = holdersOf(statuses);
    const holderOf = ({ guest, name }: ExportSpec): number | undefined => holders.get(`${guest}/${name}`);
    // Those whose place is given come first, so that the others spread around them.
    const given = options.exports.filter((spec) => holderOf(spec) !== undefined);
    const free = options.exports.filter((spec) => holderOf(spec) === undefined);
    for (const spec of [...given, ...free]) this.#placement.place(spec, holderOf(spec));
    for (const spec of options.exports) await this.#serving(spec)!.client.addExport(spec);
    return recovered;
  }

  async status(): Promise<ShardStatus> {
    const statuses = await this.#crew.statuses();
    return sumOfStatuses(
      statuses.map(({ status }) => status),
      this.#capacityBytes,
    );
  }

  async addExport(spec: ExportSpec): Promise<void> {
    const holder = await this.#holderOf(spec.guest, spec.name);
    this.#placement.place(spec, holder?.part);
    try {
      await this.#serving(spec)!.client.addExport(spec);
    } catch (error) {
      this.#placement.remove(spec);
      throw error;
    }
  }

  async removeExport(guest: string, name: string, force: boolean): Promise<void> {
    const spec = { guest, name };
    try {
      await this.#serving(spec)?.client.removeExport(guest, name, force);
    } catch (error) {
      if (!isInUse(error)) this.#placement.remove(spec);
      throw error;
    }
    this.#placement.remove(spec);
  }

  async setLimits(limits: GuestLimits): Promise<void> {
    const told = this.#accounts?.set(limits) ?? { ...limits, account: null };
    const tellAll = async (): Promise<void> => void (await this.#crew.all(({ client }) => client.setLimits(told)));
    await tellAll();
    // Those told first may have lent what those told last have stored. Told again, all repay what idles.
    if (this.#accounts?.isOverdrawn(limits.guest) === true) await tellAll();
  }

  async freeze(guest: string | null, frozen: boolean): Promise<void> {
    await this.#crew.all(({ client }) => client.freeze(guest, frozen));
  }

  async removeGuest(guest: string, force: boolean): Promise<Forgotten> {
    const serving = this.#placement.partsOf(guest);
    // The only shard that has its disks refuses by itself, and nobody can connect between the look and the deed.
    if (!force && serving.length > 1) await this.#requireIdle(guest);
    const { shards } = this.#crew;
    const first = shards.find(({ part }) => part === serving[0]);
    const forgotten: Forgotten[] = [];
    const failures: unknown[] = [];
    for (const each of first === undefined ? shards : [first, ...this.#crew.others(first)]) {
      const mayRefuse = !force && each === first && serving.length === 1;
      try {
        forgotten.push(await each.client.removeGuest(guest, !mayRefuse));
      } catch (error) {
        if (mayRefuse && isInUse(error)) throw error;
        // The others lose its disks all the same: what is left of its pages is gone with the next try.
        failures.push(error);
      }
    }
    this.#placement.removeGuest(guest);
    this.#accounts?.forget(guest);
    if (failures.length > 0) throw failures[0];
    return {
      pools: forgotten.reduce((sum, { pools }) => sum + pools, 0),
      pages: forgotten.reduce((sum, { pages }) => sum + pages, 0),
    };
  }

  async flushPool(guest: string, pool: string, force: boolean): Promise<Forgotten> {
    return (await this.#requireHolder(guest, pool)).client.flushPool(guest, pool, force);
  }

  async destroyPool(guest: string, pool: string): Promise<Forgotten> {
    return (await this.#requireHolder(guest, pool)).client.destroyPool(guest, pool);
  }

  async ping(): Promise<void> {
    await this.#crew.all(({ client }) => client.ping());
  }

  stop(): Promise<void> {
    return this.#crew.stop();
  }

  /** As {@link ShardCrew.kill}. */
  kill(withinMs: number): Promise<boolean> {
    return this.#crew.kill(withinMs);
  }

  #serving(spec: Pick<ExportSpec, 'guest' | 'name'>): CrewShard | undefined {
    const number = this.#placement.partOf(spec);
    return this.#crew.shards.find(({ part }) => part === number);
  }

  /** The shard that has the pool, with or without pages. */
  async #holderOf(guest: string, pool: string): Promise<CrewShard | undefined> {
    const number = holdersOf(await this.#crew.statuses()).get(`${guest}/${pool}`);
    return this.#crew.shards.find(({ part }) => part === number);
  }

  async #requireHolder(guest: string, pool: string): Promise<CrewShard> {
    const holder = await this.#holderOf(guest, pool);
    if (holder !== undefined) return holder;
    const { pools } = await this.status();
    throw notFound(
      'pool',
      `${guest}/${pool}`,
      pools.map((each) => `${each.guest}/${each.name}`),
    );
  }

  async #requireIdle(guest: string): Promise<void> {
    const { exports } = await this.status();
    const used = exports.filter((each) => each.guest === guest && each.connections > 0);
    if (used.length === 0) return;
    const names = used.map(({ name }) => `${guest}/${name}`).join(', ');
    throw new TmemError(
      'E_IN_USE',
      `a client is connected to ${names} and would lose its disks and all that is on them: disconnect it first, or use --force`,
    );
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof TmemError && error.code === 'E_IN_USE';
}
