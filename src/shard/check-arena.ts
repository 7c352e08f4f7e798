/** An arena verified offline: composition of files, engine and pools for reading alone. */
import fs from 'node:fs';
import { type ArenaCheck, type CheckArena, DAMAGED_PAGES_MAX, type DamagedPage } from '../base/arena-check.js';
import { TmemError } from '../base/errors.js';
import { MIB } from '../base/units.js';
import { type BadPage, checkEngine } from '../engine/check.js';
import { loadKernel } from '../engine/kernel.js';
import type { StoreIndex } from '../engine/store-index.js';
import { FORMAT_VERSION } from '../engine/segment-header.js';
import { RealSegmentFiles } from '../io/real-segment-files.js';
import { decodePoolName } from '../tmem/names.js';
import { partsOf, shardFolder } from './arena-parts.js';

export const checkArena: CheckArena = (arena, kind) => {
  const parts = partsOf(arena);
  if (parts.length === 0 && !fs.existsSync(shardFolder(arena, 0)))
    throw new TmemError('E_NOT_FOUND', `no arena at ${arena}: name its folder with --arena`);
  // Where there is one part alone, its name says nothing.
  const nameOf = (part: number): string => (parts.length > 1 ? `shard ${part}, ` : '');
  const checks = (parts.length === 0 ? [0] : parts).map((part) =>
    checkPart(shardFolder(arena, part), kind, nameOf(part)),
  );
  return checks.reduce((sum, check) => ({
    version: check.version,
    segments: sum.segments + check.segments,
    records: sum.records + check.records,
    pages: sum.pages + check.pages,
    spilledPages: sum.spilledPages + check.spilledPages,
    tornTail: sum.tornTail || check.tornTail,
    damaged: [...sum.damaged, ...check.damaged].slice(0, DAMAGED_PAGES_MAX),
    damagedPages: sum.damagedPages + check.damagedPages,
    damage: [...sum.damage, ...check.damage],
  }));
};

/** @param name - begins each line on damage */
function checkPart(folder: string, kind: 'tmpfs' | 'disk', name: string): ArenaCheck {
  const files = new RealSegmentFiles(folder, { readOnly: true, onDisk: kind === 'disk' });
  try {
    const segments = files.list().length;
    const { recovered, badPages } = checkEngine(loadKernel({ memoryBytes: 2 * MIB }), files);
    return {
      version: FORMAT_VERSION,
      segments,
      records: recovered.records,
      pages: recovered.pages,
      spilledPages: spilledPagesOf(recovered.index),
      tornTail: recovered.droppedRecords > 0,
      damaged: badPages.slice(0, DAMAGED_PAGES_MAX).map(damagedPage),
      damagedPages: badPages.length,
      damage: recovered.damage.map(({ slot, offset, what }) => `${name}segment ${slot} at byte ${offset}: ${what}`),
    };
  } finally {
    files.close();
  }
}

function spilledPagesOf({ objects }: StoreIndex): number {
  const pools = new Set(Array.from(objects.values(), ({ pool }) => pool));
  return [...pools].reduce((sum, { spilledPages }) => sum + spilledPages, 0);
}

function damagedPage({ object, index }: BadPage): DamagedPage {
  const name = decodePoolName(object.pool.name);
  return { pool: name === undefined ? `object ${object.number}` : `${name.client}/${name.pool}`, page: index };
}
