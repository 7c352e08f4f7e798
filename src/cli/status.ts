/** `tmem status`: host, guests, exports and pools on one screen. */
import { Command } from 'commander';
import { formatSize } from '../base/size.js';
import { isSharing, type StatusDocument } from '../base/status.js';
import { exportTable, guestTable, left, poolTable, right, size } from './status-tables.js';
import { formatTable } from './table.js';

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
  const saved = isSharing(status) ? [{ head: 'SAVED', bytes: arena.dedup_saved_bytes }] : [];
  return [
    `tmem ${status.version}, pid ${status.pid}, up ${formatSeconds(status.uptime_s)}, ${formatSize(status.rss_bytes)} resident\n`,
    formatTable(
      [
        left('ARENA'),
        left('FS'),
        ...['CAPACITY', 'OCCUPIED', 'LIVE', 'INDEX'].map(right),
        ...saved.map(({ head }) => right(head)),
      ],
      [
        [
          arena.path,
          arena.fs,
          ...[arena.capacity_bytes, arena.occupied_bytes, arena.live_bytes, arena.metadata_bytes].map(size),
          ...saved.map(({ bytes }) => size(bytes)),
        ],
      ],
    ),
    section(guests, guestTable),
    section(exports, exportTable),
    section(pools, poolTable),
    warnings.length === 0 ? '' : `\n${warnings.map(({ text }) => `warning: ${text}\n`).join('')}`,
  ].join('');
}

function section<Row>(rows: readonly Row[], table: (rows: readonly Row[]) => string): string {
  return rows.length === 0 ? '' : `\n${table(rows)}`;
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
