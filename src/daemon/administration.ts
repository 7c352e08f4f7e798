/** The administrator's commands carried out: who is meant, one after the other, with a line of the log for each. */
import path from 'node:path';
import { TmemError } from '../base/errors.js';
import { exportSizeProblem } from '../base/export-size.js';
import { EXPORT_NAME, EXPORT_NAME_RULE, GUEST_NAME, GUEST_NAME_RULE } from '../base/names.js';
import { notFound, quoted } from '../base/not-found.js';
import type { Forgotten } from '../base/shard-port.js';
import { spillPathProblem } from '../base/spill-path.js';
import type { GuestSettings, HostControl, Removed } from '../host/host-control.js';
import type { StorePort } from '../host/store-port.js';
import { spillInArena } from './config/spill-place.js';
import type { Log } from './log.js';
import type { OneByOne } from './one-by-one.js';
import type { Roster } from './roster.js';

export interface AdministrationParts {
  readonly roster: Roster;
  readonly store: StorePort;
  readonly log: Log;
  /** Shared with whatever else changes the roster. */
  readonly oneByOne: OneByOne;
}

export class Administration implements HostControl {
  readonly #roster: Roster;
  readonly #store: StorePort;
  readonly #log: Log;
  readonly #oneByOne: OneByOne;

  constructor({ roster, store, log, oneByOne }: AdministrationParts) {
    this.#roster = roster;
    this.#store = store;
    this.#log = log;
    this.#oneByOne = oneByOne;
  }

  setGuest(name: string, settings: GuestSettings): Promise<void> {
    return this.#oneByOne.run(async () => {
      await this.#requireGuest(name);
      if (this.#roster.guest(name) === undefined)
        throw new TmemError('E_DENIED', `guest ${name} is orphaned, so nothing of it grows: add an export of it first`);
      await this.#roster.set(name, settings);
      this.#log.info({ guest: name, ...settings }, 'guest set');
    });
  }

  freeze(name: string | null, frozen: boolean): Promise<void> {
    return this.#oneByOne.run(async () => {
      if (name !== null) await this.#requireGuest(name);
      await this.#store.freeze(name, frozen);
      this.#log.info({ guest: name ?? 'all' }, frozen ? 'frozen' : 'thawed');
    });
  }

  removeGuest(name: string, force: boolean): Promise<Removed & Forgotten> {
    return this.#oneByOne.run(async () => {
      await this.#requireGuest(name);
      const guest = this.#roster.guest(name);
      const exports = (guest?.exports ?? []).map((spec) => `${name}/${spec.name}`);
      const forgotten = await this.#roster.removeGuest(name, force);
      this.#log.info({ guest: name, exports, ...forgotten }, 'guest removed');
      return { ...forgotten, exports, inConfig: guest !== undefined && guest.atRunTime !== true };
    });
  }

  addExport(guest: string, name: string, sizeBytes: number, spill: string | null): Promise<void> {
    return this.#oneByOne.run(async () => {
      if (!GUEST_NAME.test(guest)) throw new TmemError('E_USAGE', `${quoted(guest)} is a bad name: ${GUEST_NAME_RULE}`);
      if (!EXPORT_NAME.test(name)) throw new TmemError('E_USAGE', `${quoted(name)} is a bad name: ${EXPORT_NAME_RULE}`);
      const problem = exportSizeProblem(sizeBytes);
      if (problem !== undefined) throw new TmemError('E_USAGE', `the size is ${problem}`);
      if (this.#roster.export(guest, name) !== undefined)
        throw new TmemError('E_IN_USE', `export ${guest}/${name} is there already: choose another name, or remove it`);
      const spillFile = spill === null ? null : this.#requireSpillPath(spill);
      await this.#roster.addExport(guest, name, sizeBytes, spillFile);
      this.#log.info({ export: `${guest}/${name}`, sizeBytes, spill: spillFile }, 'export added');
    });
  }

  removeExport(guest: string, name: string, force: boolean): Promise<Removed> {
    return this.#oneByOne.run(async () => {
      const spec = this.#roster.export(guest, name);
      const full = `${guest}/${name}`;
      if (spec === undefined)
        throw notFound(
          'export',
          full,
          this.#roster.exports.map((each) => `${each.guest}/${each.name}`),
        );
      await this.#roster.removeExport(guest, name, force);
      this.#log.info({ export: full }, 'export removed');
      return { exports: [full], inConfig: spec.atRunTime !== true };
    });
  }

  flushPool(guest: string, pool: string, force: boolean): Promise<Forgotten> {
    return this.#oneByOne.run(async () => {
      await this.#requirePool(guest, pool);
      const forgotten = await this.#store.flushPool(guest, pool, force);
      this.#log.info({ guest, pool, pages: forgotten.pages }, 'pool flushed');
      return forgotten;
    });
  }

  destroyPool(guest: string, pool: string): Promise<Forgotten> {
    return this.#oneByOne.run(async () => {
      await this.#requirePool(guest, pool);
      const forgotten = await this.#store.destroyPool(guest, pool);
      this.#log.info({ guest, pool, pages: forgotten.pages }, 'pool destroyed');
      return forgotten;
    });
  }

  /** What its disk says of it is found out when it is opened. */
  #requireSpillPath(spill: string): string {
    const place = path.resolve('/', spill);
    const problem = spillPathProblem(spill) ?? spillInArena(place, this.#roster.config.arena.path);
    if (problem !== undefined) throw new TmemError('E_USAGE', `the spill file ${quoted(spill)} is ${problem}`);
    const user = this.#roster.exports.find((spec) => spec.spill === place);
    if (user === undefined) return place;
    throw new TmemError(
      'E_IN_USE',
      `the spill file ${place} is that of export ${user.guest}/${user.name}: name another`,
    );
  }

  /** One that is served, or that its pages alone remember. */
  async #requireGuest(name: string): Promise<void> {
    if (this.#roster.guest(name) !== undefined) return;
    const stored = (await this.#store.status()).guests.map((guest) => guest.name);
    if (stored.includes(name)) return;
    const served = this.#roster.config.guests.map((guest) => guest.name);
    throw notFound('guest', name, [...served, ...stored]);
  }

  async #requirePool(guest: string, pool: string): Promise<void> {
    const pools = (await this.#store.status()).pools;
    if (pools.some((each) => each.guest === guest && each.name === pool)) return;
    throw notFound(
      'pool',
      `${guest}/${pool}`,
      pools.map((each) => `${each.guest}/${each.name}`),
    );
  }
}
