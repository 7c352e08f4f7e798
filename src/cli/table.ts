/** Tables as `zramctl` and `swapon` print them: two spaces between columns, numbers to the right, no lines, no colours. */

/** `right` aligns its cells to the right. */
export interface Column {
  readonly head: string;
  readonly right?: true;
}

/** Lines with their newlines; no trailing spaces. An empty cell is `-`, so that every row has as many words as columns. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const filled = rows.map((row) => row.map((cell) => (cell === '' ? '-' : cell)));
  const widths = columns.map(({ head }, at) => Math.max(head.length, ...filled.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (columns[at]!.right === true ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd();
  return [columns.map(({ head }) => head), ...filled].map((cells) => `${line(cells)}\n`).join('');
}
