/** How a log on a disk begins and ends its life: the two moments at which the whole store waits for the disk. */
import { systemCode, TmemError } from '../base/errors.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB } from '../base/units.js';
import type { ArenaSync } from './arena-sync.js';
import type { Kernel } from './kernel.js';
import type { LogWriter } from './log-writer.js';
import type { RecoveredLog } from './recovery.js';
import { SegmentState, type SegmentTable } from './segment-table.js';
import type { Unsynced } from './unsynced-end.js';

/** Written again at once. */
const COPY_BYTES: number = 32 * KIB;

/** Two free every segment that is on its way; more where files do not take a header at once. */
const CLOSING_SYNCS_MAX = 4;

/** Of a file, enough to give it its size. */
const END_BYTES = 512;

/**
 * Makes sure that all that was recovered outlives a power loss, before anything is built on it.
 *
 * What no sync vouches for is written again: a sync of the former life may have failed, and then what is in the page
 * cache is not on the disk, and the kernel, having said so once, would let the next sync succeed. That all of it is
 * synced the log says with the first record that comes; what a clean stop has left is wiped before.
 *
 * @throws TmemError E_ARENA_DAMAGED when the disk does not keep what is written
 */
export function beginSynced(
  kernel: Kernel,
  files: SegmentFiles,
  log: LogWriter,
  sync: ArenaSync,
  recovered: RecoveredLog,
): void {
  try {
    // Free headers may be all that says so.
    log.progress.confirm(recovered.synced);
    const scratch = kernel.allocate(COPY_BYTES);
    const writeAgain = ({ slot, from, to }: Unsynced): void => {
      for (let at = from; at < to; at += COPY_BYTES) {
        const length = files.read(slot, at, kernel.bytes, scratch, Math.min(COPY_BYTES, to - at));
        files.write(slot, at, kernel.bytes, scratch, length);
      }
    };
    for (const unsynced of recovered.unsynced) writeAgain(unsynced);
    const { segments } = recovered.index;
    for (const { slot, bytes } of files.list()) {
      if (segments.stateOf(slot) !== SegmentState.free) continue;
      log.writeFreeHeader(slot);
      // It may have been made just then: its size counts as well.
      writeAgain({ slot, from: bytes - END_BYTES, to: bytes });
    }
    sync.syncNow();
    log.progress.beginBehind(recovered.lastSequence);
    // What comes now must not be found beside a mark that does not know of it.
    for (const slot of recovered.marked) log.wipeMark(slot);
    if (recovered.marked.length > 0) sync.syncNow();
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    throw new TmemError(
      'E_ARENA_DAMAGED',
      `the disk of the arena does not keep what is written (${code}): look after it, or move the arena to another`,
      { cause: error },
    );
  }
}

/** Seals the log, waits until all of it is on the disk, and only then has it say so. Where that fails it ends as by a crash. */
export function closeSynced(log: LogWriter, sync: ArenaSync, segments: SegmentTable): void {
  try {
    if (sync.failures === 0) {
      log.seal();
      sync.syncNow();
      for (let more = CLOSING_SYNCS_MAX; more > 0 && segments.comingFiles > 0; more--) sync.syncNow();
      // A free header that is not synced may not be there after a power loss: then the log would have one segment more.
      if (segments.comingFiles === 0) {
        log.markClosed();
        sync.syncNow();
      }
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  sync.close();
}
