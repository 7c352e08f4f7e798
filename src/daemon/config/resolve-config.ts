/**
 * Flags, file and machine become one {@link Config}. Changes nothing anywhere, so it is all of `--check-config`, and
 * what it refuses leaves nothing behind.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { systemCode, TmemError } from '../../base/errors.js';
import { CAPACITY_BYTES_MAX, CAPACITY_BYTES_MIN } from '../../base/capacity.js';
import { formatSize } from '../../base/size.js';
import type { Warning } from '../../base/status.js';
import { GIB, MIB } from '../../base/units.js';
import { controlSocket, defaultRunDir } from '../../client/control/run-dir.js';
import type { ArenaPlace, Config, GuestConfig, ServeFlags } from './config.js';
import { exportWarnings } from './export-warnings.js';
import { type FileConfig, parseConfig, WEIGHT_DEFAULT } from './file-config.js';
import { spillInArena, spillWarnings } from './spill-place.js';
import type { Surroundings } from './surroundings.js';
import { readToken } from './token-file.js';

/** Longest path that fits `sockaddr_un` with its final NUL. Node cuts a longer one without a word. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** What is served without any config: enough to try everything with. */
const WITHOUT_CONFIG: FileConfig = {
  guests: [
    {
      name: 'guest0',
      kind: 'vm',
      weight: WEIGHT_DEFAULT,
      capBytes: null,
      reservationBytes: null,
      owner: null,
      swaps: [{ name: 'swap0', sizeBytes: GIB, spill: null, domain: null }],
    },
  ],
};

const HTTP_DEFAULT = { host: '127.0.0.1', port: 7070 } as const;

/** Of what the arena's file system grants, the part that is ours unless told: others use `/dev/shm` too. */
const FILE_SYSTEM_SHARE = 0.8;

/** @throws TmemError E_CONFIG, E_SOCKET_PATH, E_OWNER, E_ARENA_FULL, E_DENIED */
export function resolveConfig(flags: ServeFlags, machine: Surroundings): Config {
  const file = readConfigFile(flags.config, machine.configFile);
  const said = file === null ? WITHOUT_CONFIG : parseConfig(file.text, file.path);
  const warnings: Warning[] = [];

  const namedRunDir = flags.runDir ?? said.runDir;
  const runDir = path.resolve(namedRunDir ?? defaultRunDir(machine));
  requireSocketPath(controlSocket(runDir));
  const guests = said.guests.map((guest) => resolveGuest(guest, runDir, machine));
  if (machine.uid !== 0) warnings.push(socketsArePrivate(guests, machine.uid));

  const arena = chooseArena(flags.arena ?? said.arena, machine, warnings);
  const namedCapacity = flags.capacityBytes ?? said.capacityBytes;
  const capacityBytes = chooseCapacity(namedCapacity, arena, machine, warnings);
  const workers = said.workers ?? 1;
  requireRoomFor(workers, capacityBytes);
  requireSpillElsewhere(guests, arena);
  warnings.push(...exportWarnings(guests, capacityBytes), ...spillWarnings(guests, machine));

  const http = flags.http ?? said.http ?? HTTP_DEFAULT;
  return {
    file: file?.path ?? null,
    runDir,
    runDirIsDefault: namedRunDir === undefined,
    arena,
    capacityBytes,
    capacityIsDefault: namedCapacity === undefined,
    workers,
    http: http === 'off' ? null : http,
    tokenDigest: said.tokenFile === undefined ? null : readToken(said.tokenFile, machine.uid),
    logLevel: flags.logLevel ?? said.logLevel ?? 'info',
    guests,
    warnings,
  };
}

/** The file that is named must be there; the one that is not named may be. */
function readConfigFile(named: string | undefined, standard: string): { path: string; text: string } | null {
  const file = named === undefined ? standard : path.resolve(named);
  try {
    return { path: file, text: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = systemCode(error);
    if (named === undefined && (code === 'ENOENT' || code === 'ENOTDIR')) return null;
    throw new TmemError('E_CONFIG', `cannot read ${file} (${code ?? String(error)}): name a TOML file with --config`, {
      cause: error,
    });
  }
}

function resolveGuest(guest: FileConfig['guests'][number], runDir: string, machine: Surroundings): GuestConfig {
  const { name, kind, weight, capBytes, reservationBytes, owner } = guest;
  const exports = guest.swaps.map((swap) => ({
    guest: name,
    name: swap.name,
    sizeBytes: swap.sizeBytes,
    socket: exportSocket(runDir, name, swap.name),
    spill: swap.spill,
    domain: swap.domain,
  }));
  const ownerUid = owner === null ? null : requireUser(owner, name, machine);
  return { name, kind, weight, capBytes, reservationBytes, ownerUid, exports };
}

/** @throws TmemError E_SOCKET_PATH */
export function exportSocket(runDir: string, guest: string, name: string): string {
  return requireSocketPath(path.join(runDir, `${guest}-${name}.nbd`));
}

function requireSocketPath(socket: string): string {
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_BYTES_MAX)
    throw new TmemError(
      'E_SOCKET_PATH',
      `${socket} has ${bytes} bytes and a socket's path at most ${SOCKET_PATH_BYTES_MAX}: use a shorter run_dir`,
    );
  return socket;
}

function requireSpillElsewhere(guests: readonly GuestConfig[], arena: ArenaPlace): void {
  for (const { guest, name, spill } of guests.flatMap(({ exports }) => exports)) {
    const problem = spill === null ? undefined : spillInArena(spill, arena.path);
    if (problem !== undefined)
      throw new TmemError('E_CONFIG', `guest.${guest}.swap.${name}.spill = "${spill}" is ${problem}`);
  }
}

function requireUser(owner: string, guest: string, machine: Surroundings): number {
  const uid = machine.uidOf(owner);
  if (uid === undefined)
    throw new TmemError('E_OWNER', `no user "${owner}", the owner of guest "${guest}": name a user of this machine`);
  return uid;
}

/** Each worker keeps segments back, whatever the others do. */
function requireRoomFor(workers: number, capacityBytes: number): void {
  const needed = workers * CAPACITY_BYTES_MIN;
  if (workers > 1 && capacityBytes < needed)
    throw new TmemError(
      'E_CONFIG',
      `workers = ${workers} need a capacity of ${formatSize(needed)}, and it is ${formatSize(capacityBytes)}: raise it, or take fewer`,
    );
}

function socketsArePrivate(guests: readonly GuestConfig[], uid: number): Warning {
  const asked = guests.filter(({ ownerUid }) => ownerUid !== null && ownerUid !== uid).map(({ name }) => name);
  const lost = asked.length === 0 ? '' : `; owner has no effect for ${asked.join(', ')}`;
  return { code: 'sockets-private', text: `not root: sockets are 0600, for this user alone${lost}` };
}

/**
 * The arena is named, on tmpfs or on a disk, or it is the standard one. Where there is no usable tmpfs, an arena that
 * nobody named goes to the temp dir, with a warning, for if that is a disk each page may be written to it.
 */
function chooseArena(named: string | undefined, machine: Surroundings, warnings: Warning[]): ArenaPlace {
  if (named !== undefined) {
    const place = path.resolve(named);
    return { path: place, fs: machine.fileSystemOf(place).tmpfs ? 'tmpfs' : 'disk', isDefault: false };
  }
  const name = machine.uid === 0 ? 'tmem' : `tmem-${machine.uid}`;
  const standard = path.join('/dev/shm', name);
  const { tmpfs, writable } = machine.fileSystemOf(standard);
  if (tmpfs && writable) return { path: standard, fs: 'tmpfs', isDefault: true };
  const fallback = path.join(machine.tempDir, name);
  const fs = machine.fileSystemOf(fallback).tmpfs ? 'tmpfs' : 'disk';
  const loss = fs === 'disk' ? ': pages cost disk writes' : '';
  warnings.push({ code: 'arena-in-temp-dir', text: `no usable tmpfs at /dev/shm, the arena is ${fallback}${loss}` });
  return { path: fallback, fs, isDefault: true };
}

function chooseCapacity(
  named: number | undefined,
  arena: ArenaPlace,
  machine: Surroundings,
  warnings: Warning[],
): number {
  const { totalBytes, freeBytes } = machine.fileSystemOf(arena.path);
  // What an earlier life stored is ours already; without it each restart would offer less.
  const ownBytes = machine.bytesUnder(arena.path);
  const grantedBytes = freeBytes + ownBytes;
  if (named !== undefined) {
    if (named > totalBytes)
      throw new TmemError(
        'E_ARENA_FULL',
        `capacity ${formatSize(named)} is more than the whole file system of ${arena.path} holds (${formatSize(totalBytes)}): lower capacity or enlarge it`,
      );
    if (named > grantedBytes)
      warnings.push({
        code: 'capacity-over-free',
        text: `capacity ${formatSize(named)} is more than the ${formatSize(grantedBytes)} that ${arena.path} can have now: puts may be refused early`,
      });
    return named;
  }
  const memoryBytes = machine.memAvailableBytes() + (arena.fs === 'tmpfs' ? ownBytes : 0);
  const bytes = Math.min(memoryBytes / 2, grantedBytes * FILE_SYSTEM_SHARE, CAPACITY_BYTES_MAX);
  if (bytes < CAPACITY_BYTES_MIN)
    throw new TmemError(
      'E_ARENA_FULL',
      `no room for an arena at ${arena.path}: ${formatSize(grantedBytes)} in its file system and ${formatSize(memoryBytes)} of memory are free; free some or name another arena`,
    );
  return Math.floor(bytes / MIB) * MIB;
}
