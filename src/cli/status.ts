/** `tmem status`: host, guests, exports and pools on one screen. */
import { Command } from 'commander';
import { formatSize } from '../base/size.js';
import type { StatusDocument } from '../base/status.js';
import { type Column, formatTable } from './table.js';

export function statusCommand(): Command {
  return new Command('status')
    .description('show host, guests, exports and pools')
    .option('--run-dir <dir>', 'the run_dir of the daemon to ask (default: that of a "tmem serve" without flags)')
    .option('--json', 'print one JSON document')
    .action(async ({ runDir, json }: { runDir?: string; json?: true }) => {
      const { findRunDir } = await import('../client/control/find-run-dir.js');
      const { getStatus } = await import('../client/control/get-status.js');
      const { status, text } = await getStatus(await findRunDir(runDir));
      process.stdout.write(json === true ? text : statusScreen(status));
    });
}

export function statusScreen(status: StatusDocument): string {
  const { arena, guests, exports, pools, warnings } = status;
  return [
    `tmem ${status.version}, pid ${status.pid}, up ${formatSeconds(status.uptime_s)}, ${formatSize(status.rss_bytes)} resident\n`,
    formatTable(
      [left('ARENA'), left('FS'), ...['CAPACITY', 'OCCUPIED', 'LIVE', 'INDEX'].map(right)],
      [
        [
          arena.path,
          arena.fs,
          ...[arena.capacity_bytes, arena.occupied_bytes, arena.live_bytes, arena.metadata_bytes].map(size),
        ],
      ],
    ),
    section(
      [...['GUEST', 'KIND', 'STATE'].map(left), ...['CAP', 'PAGES', 'STORED'].map(right)],
      guests.map((guest) => [
        guest.name,
        guest.kind ?? '',
        guest.state,
        guest.cap_bytes === null ? '' : size(guest.cap_bytes),
        String(guest.persistent_pages + guest.ephemeral_pages),
        size(guest.stored_bytes),
      ]),
    ),
    section(
      [
        left('EXPORT'),
        left('MODE'),
        ...['SIZE', 'CLIENTS', 'PAGES', 'SAME', 'STORED', 'READS', 'WRITES', 'TRIMS', 'ERRORS'].map(right),
      ],
      exports.map((disk) => [
        disk.name,
        disk.mode,
        size(disk.size_bytes),
        String(disk.connections),
        String(disk.stored_pages),
        String(disk.same_filled_pages),
        size(disk.stored_bytes),
        String(disk.reads),
        String(disk.writes),
        String(disk.trims),
        String(disk.errors),
      ]),
    ),
    section(
      [left('POOL'), left('KIND'), ...['PAGES', 'STORED', 'PUTS', 'GETS', 'HITS', 'FLUSHES', 'BAD'].map(right)],
      pools.map((pool) => [
        `${pool.guest}/${pool.name}`,
        pool.kind,
        String(pool.pages),
        size(pool.stored_bytes),
        String(pool.puts),
        String(pool.gets),
        String(pool.gets_hit),
        String(pool.flushes),
        String(pool.verify_failures),
      ]),
    ),
    warnings.length === 0 ? '' : `\n${warnings.map(({ text }) => `warning: ${text}\n`).join('')}`,
  ].join('');
}

function section(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `\n${formatTable(columns, rows)}`;
}

function left(head: string): Column {
  return { head };
}

function right(head: string): Column {
  return { head, right: true };
}

/** One word, so that the columns stay columns for `awk`. */
function size(bytes: number): string {
  return formatSize(bytes).replace(' ', '');
}

function formatSeconds(seconds: number): string {
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${whole % 60}s` : `${whole}s`;
}
