/**
 * What a reread config changes in a running daemon. Live: caps, weights, reservations, owners, exports that come or go, the token, the
 * level of the log. An export that goes keeps its pages: a config line taken out is not a guest's death. Everything else
 * needs a restart, and is named.
 *
 * The file goes before what commands have set and taken away since. What they have added it cannot know of: such an
 * export stays, since a reread for another reason must not take the disk from under a guest.
 */
import path from 'node:path';
import type { ExportSpec, GuestLimits } from '../base/shard-port.js';
import type { Config, ExportConfig, GuestConfig } from './config/config.js';
import { WEIGHT_DEFAULT } from './config/file-config.js';

export interface Reload {
  /** The config from now on: the new one, with what needs a restart as it was. */
  readonly config: Config;
  readonly added: readonly ExportConfig[];
  readonly removed: readonly ExportConfig[];
  readonly limits: readonly GuestLimits[];
  /** Keys whose new value waits for a restart. */
  readonly needRestart: readonly string[];
}

export function planReload(now: Config, next: Config): Reload {
  const needRestart = RESTART_KEYS.filter(({ differs }) => differs(now, next)).map(({ key }) => key);
  const guests = withAdded(next.guests, now.guests).map((guest) => keepDisks(guest, now, needRestart));
  const config: Config = {
    ...next,
    runDir: now.runDir,
    runDirIsDefault: now.runDirIsDefault,
    arena: now.arena,
    capacityBytes: now.capacityBytes,
    capacityIsDefault: now.capacityIsDefault,
    http: now.http,
    workers: now.workers,
    guests,
  };
  const before = exportsOf(now);
  const after = exportsOf(config);
  return {
    config,
    added: [...after.entries()].filter(([name]) => !before.has(name)).map(([, spec]) => spec),
    removed: [...before.entries()].filter(([name]) => !after.has(name)).map(([, spec]) => spec),
    limits: changedLimits(now, config),
    needRestart,
  };
}

const RESTART_KEYS: readonly { key: string; differs: (now: Config, next: Config) => boolean }[] = [
  { key: 'run_dir', differs: (now, next) => now.runDir !== next.runDir },
  { key: 'arena', differs: (now, next) => now.arena.path !== next.arena.path },
  {
    key: 'capacity',
    // A default follows the memory that happens to be free; nobody asked for another.
    differs: (now, next) =>
      now.capacityBytes !== next.capacityBytes && !(now.capacityIsDefault && next.capacityIsDefault),
  },
  { key: 'workers', differs: (now, next) => now.workers !== next.workers },
  { key: 'http', differs: (now, next) => JSON.stringify(now.http) !== JSON.stringify(next.http) },
];

/** The guests of the file, with the exports that commands added, and the guests that came with those. */
function withAdded(named: readonly GuestConfig[], now: readonly GuestConfig[]): GuestConfig[] {
  const addedTo = (name: string): ExportConfig[] =>
    (now.find((guest) => guest.name === name)?.exports ?? []).filter(({ atRunTime }) => atRunTime === true);
  const missing = ({ name, exports }: GuestConfig): ExportConfig[] =>
    addedTo(name).filter((added) => exports.every((spec) => spec.name !== added.name));
  const unnamed = now.filter(({ name }) => named.every((guest) => guest.name !== name) && addedTo(name).length > 0);
  const completed = (guest: GuestConfig): GuestConfig => ({ ...guest, exports: [...guest.exports, ...missing(guest)] });
  const kept = (guest: GuestConfig): GuestConfig => ({ ...guest, exports: addedTo(guest.name), atRunTime: true });
  return [...named.map(completed), ...unnamed.map(kept)];
}

/** A disk keeps its size, its spill file and those it shares with under a guest that uses it. Notes which ones were asked to. */
function keepDisks(guest: GuestConfig, now: Config, needRestart: string[]): GuestConfig {
  const exports = guest.exports.map((spec) => {
    const running = guestOf(now, guest.name)?.exports.find(({ name }) => name === spec.name);
    // A new export gets its socket where the others are, whatever the run_dir after the next restart.
    if (running === undefined) return { ...spec, socket: path.join(now.runDir, path.basename(spec.socket)) };
    if (running.sizeBytes !== spec.sizeBytes) needRestart.push(`guest.${guest.name}.swap.${spec.name}.size`);
    if (running.spill !== spec.spill) needRestart.push(`guest.${guest.name}.swap.${spec.name}.spill`);
    if (running.domain !== spec.domain) needRestart.push(`guest.${guest.name}.swap.${spec.name}.dedup or trust`);
    // The file may name by now what a command added.
    return { ...spec, ...specOf(running) };
  });
  return { ...guest, exports };
}

/** The config as it is while these exports are not served. */
export function withoutExports(config: Config, absent: ReadonlySet<ExportConfig>): Config {
  const served = (guest: GuestConfig): GuestConfig => ({
    ...guest,
    exports: guest.exports.filter((spec) => !absent.has(spec)),
  });
  return { ...config, guests: config.guests.map(served) };
}

/** What a shard hears of an export. */
export function specOf({ guest, name, sizeBytes, socket, spill, domain }: ExportConfig): ExportSpec {
  return { guest, name, sizeBytes, socket, spill, domain };
}

/** What shards hear of a guest. */
export function limitsOf({ name, capBytes, weight, reservationBytes }: GuestConfig): GuestLimits {
  return { guest: name, capBytes, weight, reservationBytes };
}

/** A guest that is gone from the config has no limits either: it may come back without them. */
function changedLimits(now: Config, next: Config): GuestLimits[] {
  const names = new Set([...next.guests, ...now.guests].map(({ name }) => name));
  const limitsIn = (config: Config, guest: string): GuestLimits => {
    const found = guestOf(config, guest);
    return found === undefined
      ? { guest, capBytes: null, weight: WEIGHT_DEFAULT, reservationBytes: null }
      : limitsOf(found);
  };
  return [...names]
    .map((name) => ({ before: limitsIn(now, name), after: limitsIn(next, name) }))
    .filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after))
    .map(({ after }) => after);
}

function exportsOf({ guests }: Config): Map<string, ExportConfig> {
  return new Map(guests.flatMap(({ exports }) => exports).map((spec) => [`${spec.guest}/${spec.name}`, spec]));
}

function guestOf({ guests }: Config, name: string): GuestConfig | undefined {
  return guests.find((guest) => guest.name === name);
}
