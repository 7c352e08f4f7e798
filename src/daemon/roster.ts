/**
 * Which guests there are in the running daemon, what they may have, and which exports they are served: what the config
 * said at first, and what rereading it and commands have changed since. What is here is what is in force; the shard and
 * the sockets' owners follow.
 *
 * Nothing here may overlap: whoever calls does so one call at a time.
 */
import { rmSync } from 'node:fs';
import { described, TmemError } from '../base/errors.js';
import { EXPORTS_PER_GUEST_MAX, type Forgotten } from '../base/shard-port.js';
import type { GuestSettings } from '../host/host-control.js';
import type { StorePort } from '../host/store-port.js';
import type { Config, ExportConfig, GuestConfig } from './config/config.js';
import { withExportWarnings } from './config/export-warnings.js';
import { WEIGHT_DEFAULT } from './config/file-config.js';
import { exportSocket } from './config/resolve-config.js';
import type { Log } from './log.js';
import { limitsOf, planReload, type Reload, specOf, withoutExports } from './reload.js';
import { freeSocketPath, handOverSocket } from './unix-socket.js';

export class Roster {
  #config: Config;
  readonly #store: StorePort;
  readonly #log: Log;
  readonly #onExports: () => void;

  /** @param onExports - told when exports have come or gone, before anybody hears that the change is done */
  constructor(config: Config, store: StorePort, log: Log, onExports: () => void) {
    this.#config = config;
    this.#store = store;
    this.#log = log;
    this.#onExports = onExports;
  }

  get config(): Config {
    return this.#config;
  }

  get exports(): readonly ExportConfig[] {
    return this.#config.guests.flatMap(({ exports }) => exports);
  }

  guest(name: string): GuestConfig | undefined {
    return this.#config.guests.find((guest) => guest.name === name);
  }

  export(guest: string, name: string): ExportConfig | undefined {
    return this.guest(guest)?.exports.find((spec) => spec.name === name);
  }

  async reload(next: Config): Promise<void> {
    const plan = planReload(this.#config, next);
    for (const { guest, name } of plan.removed) await this.#store.removeExport(guest, name, true);
    for (const limits of plan.limits) await this.#store.setLimits(limits);
    const added = await this.#addAll(plan);
    this.#log.level = plan.config.logLevel;
    this.handOverSockets();
    this.#onExports();
    const named = ({ guest, name }: ExportConfig): string => `${guest}/${name}`;
    this.#log.info(
      { added: added.map(named), removed: plan.removed.map(named), limits: plan.limits },
      'config read again',
    );
    for (const { code, text } of this.#config.warnings) this.#log.warn({ code }, text);
    if (plan.needRestart.length > 0)
      this.#log.warn({ keys: plan.needRestart }, `a restart is needed for ${plan.needRestart.join(', ')}`);
  }

  /** Of a guest that is there. */
  async set(name: string, settings: GuestSettings): Promise<void> {
    const changed = { ...this.guest(name)!, ...settings };
    await this.#store.setLimits(limitsOf(changed));
    this.#setGuests(this.#config.guests.map((guest) => (guest.name === name ? changed : guest)));
  }

  /**
   * Makes the guest where there is none of that name.
   *
   * @throws TmemError E_SOCKET_PATH, E_SOCKET_BUSY, E_DENIED, E_CONFIG, E_SPILL
   */
  async addExport(guestName: string, name: string, sizeBytes: number, spill: string | null): Promise<void> {
    const known = this.guest(guestName);
    const guest = known ?? newGuest(guestName);
    if (guest.exports.length >= EXPORTS_PER_GUEST_MAX)
      throw new TmemError(
        'E_CONFIG',
        `guest ${guestName} has ${EXPORTS_PER_GUEST_MAX} swap disks, the most there can be: remove one first`,
      );
    const socket = exportSocket(this.#config.runDir, guestName, name);
    const spec: ExportConfig = { guest: guestName, name, sizeBytes, socket, spill, domain: null, atRunTime: true };
    await this.#serve(spec);
    const now = { ...guest, exports: [...guest.exports, spec] };
    const { guests } = this.#config;
    this.#setGuests(known === undefined ? [...guests, now] : guests.map((each) => (each === known ? now : each)));
    this.handOverSockets();
    this.#onExports();
  }

  /** @throws TmemError E_IN_USE, and then it is still served */
  async removeExport(guest: string, name: string, force: boolean): Promise<void> {
    await this.#orGone(this.#store.removeExport(guest, name, force), () => this.#dropExports(guest, name));
  }

  /** @throws TmemError E_IN_USE, and then it is still there */
  async removeGuest(name: string, force: boolean): Promise<Forgotten> {
    return this.#orGone(this.#store.removeGuest(name, force), () => {
      this.#setGuests(this.#config.guests.filter((guest) => guest.name !== name));
    });
  }

  handOverSockets(): void {
    for (const { exports, ownerUid } of this.#config.guests)
      for (const { socket } of exports) handOverSocket(socket, ownerUid);
  }

  removeSockets(): void {
    for (const { socket } of this.exports) rmSync(socket, { force: true });
  }

  /**
   * One that cannot be added keeps no other from being served, and is not taken for served: the next reread finds it
   * new again. @returns what was added
   */
  async #addAll(plan: Reload): Promise<ExportConfig[]> {
    const absent = new Set(plan.added);
    this.#config = withExportWarnings(withoutExports(plan.config, absent));
    for (const spec of plan.added) {
      try {
        await this.#serve(spec);
      } catch (error) {
        const { code, message } = described(error);
        this.#log.error({ code, export: `${spec.guest}/${spec.name}` }, `not served: ${message}`);
        continue;
      }
      absent.delete(spec);
      this.#config = withExportWarnings(withoutExports(plan.config, absent));
    }
    return plan.added.filter((spec) => !absent.has(spec));
  }

  async #serve(config: ExportConfig): Promise<void> {
    await freeSocketPath(config.socket);
    await this.#store.addExport(specOf(config));
  }

  /** What was refused because it is in use stays; whatever else went wrong came after the exports had gone. */
  async #orGone<T>(removal: Promise<T>, gone: () => void): Promise<T> {
    const isGone = await removal.then(
      () => true,
      (error: unknown) => !(error instanceof TmemError && error.code === 'E_IN_USE'),
    );
    if (isGone) {
      gone();
      this.#onExports();
    }
    return removal;
  }

  /** A guest that came with its first export goes with its last. */
  #dropExports(guest: string, name: string): void {
    const guests = this.#config.guests.map((each) =>
      each.name === guest ? { ...each, exports: each.exports.filter((spec) => spec.name !== name) } : each,
    );
    this.#setGuests(guests.filter(({ atRunTime, exports }) => atRunTime !== true || exports.length > 0));
  }

  #setGuests(guests: readonly GuestConfig[]): void {
    this.#config = withExportWarnings({ ...this.#config, guests });
  }
}

function newGuest(name: string): GuestConfig {
  return {
    name,
    kind: 'vm',
    weight: WEIGHT_DEFAULT,
    capBytes: null,
    reservationBytes: null,
    ownerUid: null,
    exports: [],
    atRunTime: true,
  };
}
