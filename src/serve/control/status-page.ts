/** The status as a plain page, until there is a dashboard: no script, reloads itself. */
import { formatSize } from '../../base/size.js';
import type { StatusDocument } from '../../base/status.js';

const RELOAD_S = 5;

export function statusPage(status: StatusDocument): string {
  const { arena } = status;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="${RELOAD_S}">
<title>tmem</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; max-width: 70em; color-scheme: light dark; }
table { border-collapse: collapse; margin: 0 0 1.5em; }
caption { text-align: left; font-weight: bold; padding: .3em 0; }
th, td { text-align: left; padding: .2em 1.2em .2em 0; }
th { border-bottom: 1px solid; font-weight: normal; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
</style>
</head>
<body>
<h1>tmem ${text(status.version)}</h1>
${status.warnings.map(({ text: warning }) => `<p>Warning: ${text(warning)}</p>`).join('\n')}
${table(
  'Arena',
  ['path', 'file system', 'capacity', 'occupied', 'live', 'index'],
  [
    [
      arena.path,
      arena.fs,
      size(arena.capacity_bytes),
      size(arena.occupied_bytes),
      size(arena.live_bytes),
      size(arena.metadata_bytes),
    ],
  ],
)}
${table(
  'Guests',
  ['name', 'state', 'cap', 'pages', 'stored'],
  status.guests.map((guest) => [
    guest.name,
    guest.frozen ? `${guest.state}, frozen` : guest.state,
    guest.cap_bytes === null ? 'none' : size(guest.cap_bytes),
    { number: String(guest.persistent_pages + guest.ephemeral_pages) },
    size(guest.stored_bytes),
  ]),
)}
${table(
  'Exports',
  ['name', 'size', 'clients', 'pages', 'same-filled', 'stored', 'reads', 'writes', 'trims', 'errors'],
  status.exports.map((disk) => [
    disk.name,
    size(disk.size_bytes),
    ...[disk.connections, disk.stored_pages, disk.same_filled_pages].map((n) => ({ number: String(n) })),
    size(disk.stored_bytes),
    ...[disk.reads, disk.writes, disk.trims, disk.errors].map((n) => ({ number: String(n) })),
  ]),
)}
<p><a href="/api/v1/status">status as JSON</a></p>
</body>
</html>
`;
}

type Cell = string | { readonly number: string };

function table(caption: string, heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return '';
  const first = rows[0]!;
  const head = heads.map((name, column) => `<th${alignment(first[column]!)}>${text(name)}</th>`).join('');
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td${alignment(cell)}>${text(content(cell))}</td>`).join('')}</tr>`)
    .join('\n');
  return `<table><caption>${text(caption)}</caption>\n<tr>${head}</tr>\n${body}\n</table>`;
}

function size(bytes: number): Cell {
  return { number: formatSize(bytes) };
}

function content(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.number;
}

function alignment(cell: Cell): string {
  return typeof cell === 'string' ? '' : ' class="n"';
}

function text(raw: string): string {
  return raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
