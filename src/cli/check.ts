/** `tmem check`: verifies every page of an arena that no daemon uses. */
import { Command } from 'commander';
import type { ArenaCheck } from '../base/arena-check.js';
import { TmemError } from '../base/errors.js';

export function checkCommand(): Command {
  return new Command('check')
    .description('verify an arena offline')
    .option('--arena <dir>', 'the arena (default: that of a "tmem serve" without flags)')
    .option('--run-dir <dir>', 'has no effect: no daemon is asked')
    .option('--json', 'print one JSON document')
    .action(async ({ arena, json }: { arena?: string; json?: true }) => {
      const { checkOffline } = await import('../daemon/check-offline.js');
      const { place, check } = await checkOffline(arena);
      process.stdout.write(
        json === true ? `${JSON.stringify(checkDocument(place, check))}\n` : checkReport(place, check),
      );
      if (check.damage.length > 0)
        throw new TmemError(
          'E_ARENA_DAMAGED',
          `${check.damage.length} places in ${place} hold records that nobody can read, so pages may be missing or old: restore the files or move the arena away`,
        );
      if (check.damagedPages > 0)
        throw new TmemError(
          'E_ARENA_DAMAGED',
          `${check.damagedPages} of ${check.pages} pages in ${place} cannot be read back: reading them is an I/O error, the rest is whole`,
        );
    });
}

export function checkReport(place: string, check: ArenaCheck): string {
  const unnamed = check.damagedPages - check.damaged.length;
  return [
    `arena ${place}: format ${check.version}, ${check.segments} segments, ${check.records} records, ${check.pages} pages\n`,
    check.spilledPages > 0
      ? `${check.spilledPages} pages are in spill files, which are not looked at: only their marks are\n`
      : '',
    check.tornTail ? 'torn tail: a crash cut the last write; nothing that was acknowledged is missing\n' : '',
    ...check.damaged.map(({ pool, page }) => `damaged: ${pool} page ${page}\n`),
    unnamed > 0 ? `damaged: ${unnamed} more\n` : '',
    ...check.damage.map((where) => `damaged: ${where}\n`),
    check.damagedPages === 0 && check.damage.length === 0 ? 'no damage\n' : '',
  ].join('');
}

function checkDocument(place: string, check: ArenaCheck): object {
  return {
    v: 1,
    arena: place,
    format: check.version,
    segments: check.segments,
    records: check.records,
    pages: check.pages,
    spilled_pages: check.spilledPages,
    torn_tail: check.tornTail,
    damaged_pages: check.damagedPages,
    damaged: check.damaged.map(({ pool, page }) => ({ pool, page })),
    damage: check.damage,
  };
}
