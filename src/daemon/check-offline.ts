/** Composition of `tmem check`: which arena, kept from daemons meanwhile, read by the shard's own code. */
import { statSync } from 'node:fs';
import path from 'node:path';
import type { ArenaCheck } from '../base/arena-check.js';
import { TmemError } from '../base/errors.js';
import { checkArena } from '../shard/check-arena.js';
import { lockArenaForReading } from './arena-lock.js';
import { resolveConfig } from './config/resolve-config.js';
import { thisMachine } from './config/surroundings.js';

/** @throws TmemError E_NOT_FOUND, E_ARENA_BUSY, E_ARENA_VERSION */
export async function checkOffline(named: string | undefined): Promise<{ place: string; check: ArenaCheck }> {
  const place = named === undefined ? resolveConfig({}, thisMachine).arena.path : path.resolve(named);
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new TmemError('E_NOT_FOUND', `no arena at ${place}: name its directory with --arena`);
  const lock = await lockArenaForReading(place);
  try {
    const fs = thisMachine.fileSystemOf(place).tmpfs ? 'tmpfs' : 'disk';
    return { place, check: checkArena(place, fs) };
  } finally {
    lock.release();
  }
}
