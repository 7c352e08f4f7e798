/** Guests, exports and pools as tables: of the whole status, and of the verbs that list them. */
import { formatSize } from '../base/size.js';
import type { StatusExport, StatusGuest, StatusPool } from '../base/status.js';
import { type Column, formatTable } from './table.js';

export function guestTable(guests: readonly StatusGuest[]): string {
  return formatTable(
    [
      ...['GUEST', 'KIND', 'STATE', 'FROZEN'].map(left),
      ...['CAP', 'WEIGHT', 'RESERVED', 'PAGES', 'STORED', 'SPILLED'].map(right),
    ],
    guests.map((guest) => [
      guest.name,
      guest.kind ?? '',
      guest.state,
      guest.frozen ? 'yes' : 'no',
      guest.cap_bytes === null ? '' : size(guest.cap_bytes),
      guest.weight === null ? '' : String(guest.weight),
      guest.reservation_bytes === null ? '' : size(guest.reservation_bytes),
      String(guest.persistent_pages + guest.ephemeral_pages),
      size(guest.stored_bytes),
      pagesOf(guest.spilled_pages),
    ]),
  );
}

/** What is shared is told where one of them shares. */
export function exportTable(exports: readonly StatusExport[]): string {
  const areSharing = exports.some((disk) => disk.dedup_domain !== null || disk.dedup_pages > 0);
  return formatTable(
    [
      ...['EXPORT', 'MODE'].map(left),
      ...['SIZE', 'CLIENTS', 'PAGES', 'SAME', 'STORED', 'SPILLED', 'READS', 'WRITES', 'TRIMS', 'ERRORS'].map(right),
      ...(areSharing ? [right('SHARED'), left('DOMAIN')] : []),
    ],
    exports.map((disk) => [
      disk.name,
      disk.mode,
      size(disk.size_bytes),
      String(disk.connections),
      String(disk.stored_pages),
      String(disk.same_filled_pages),
      size(disk.stored_bytes),
      pagesOf(disk.spilled_pages),
      String(disk.reads),
      String(disk.writes),
      String(disk.trims),
      String(disk.errors),
      ...(areSharing ? [String(disk.dedup_pages), (disk.dedup_domain ?? '').replace(' ', ':')] : []),
    ]),
  );
}

export function poolTable(pools: readonly StatusPool[]): string {
  return formatTable(
    [...['POOL', 'KIND'].map(left), ...['PAGES', 'STORED', 'PUTS', 'GETS', 'HITS', 'FLUSHES', 'BAD'].map(right)],
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
  );
}

function pagesOf(pages: number | null): string {
  return pages === null ? '' : String(pages);
}

export function left(head: string): Column {
  return { head };
}

export function right(head: string): Column {
  return { head, right: true };
}

/** One word, so that the columns stay columns for `awk`. */
export function size(bytes: number): string {
  return formatSize(bytes).replace(' ', '');
}
