import { TmemError } from '../base/errors.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB, MIB } from '../base/units.js';
import { Engine } from './engine.js';
import type { Kernel } from './kernel.js';
import { RESERVE_SEGMENTS } from './log-writer.js';
import { SEGMENTS_MAX } from './segment-table.js';
import { type RecoveredLog, type RecoveryOptions, recoverLog } from './recovery.js';

/** What a batch may stage, and no more than half a segment: a server's turn of 64 raw pages takes 258 KiB. */
const BATCH_BYTES_MAX: number = 384 * KIB;

/** The reserve, the open segment, and something to clean. */
export const SEGMENTS_MIN: number = RESERVE_SEGMENTS + 4;

/**
 * Size of segments for a new arena: 512 KiB up to a capacity of 16 GiB, 2 MiB at 64 GiB. Small ones give memory back
 * sooner, and make the reserve and the open segment a small part of what few pages need: with 4 MiB and 120 MiB of
 * live bytes those three were 9 % of the arena, more than a third of the slack that cleaning lives on, and it moved
 * 2.7 records for each put instead of 1.9. With 60 MiB of live bytes 512 KiB move 2.0 where 1 MiB moves 2.4.
 */
export function segmentBytesFor(capacityBytes: number): number {
  let bytes = 512 * KIB;
  while (capacityBytes / bytes > SEGMENTS_MAX) bytes *= 2;
  return bytes;
}

/**
 * Recovers the arena in `files` and opens it for use.
 *
 * @throws TmemError E_ARENA_VERSION, E_ARENA_DAMAGED (records are unreadable and nobody knows whose), E_ARENA_FULL
 *   (no room for the reserve)
 */
export function openEngine(
  kernel: Kernel,
  files: SegmentFiles,
  options: RecoveryOptions,
): { engine: Engine; recovered: RecoveredLog } {
  const recovered = recoverLog(kernel, files, options);
  refuseDamage(recovered);
  const { segmentBytes, filesMax } = recovered.index.segments;
  if (filesMax < SEGMENTS_MIN) {
    const needed = (SEGMENTS_MIN * segmentBytes) / MIB;
    throw new TmemError(
      'E_CONFIG',
      `this arena has segments of ${segmentBytes / MIB} MiB and needs a capacity of ${needed} MiB or more`,
    );
  }
  const batchBytesMax = Math.min(BATCH_BYTES_MAX, segmentBytes / 2);
  return { engine: new Engine(kernel, files, recovered, { batchBytesMax }), recovered };
}

/** Damage without an address would let an older copy of some page pass for its newest. */
function refuseDamage({ damage }: RecoveredLog): void {
  const [first] = damage;
  if (first === undefined) return;
  const others = damage.length > 1 ? `, and ${damage.length - 1} more places` : '';
  throw new TmemError(
    'E_ARENA_DAMAGED',
    `segment ${first.slot} at byte ${first.offset}: ${first.what}${others}; some pages may be lost or old, so nothing is served: see tmem check, restore the file or move the arena away to start empty`,
  );
}
