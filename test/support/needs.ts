import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/**
 * For `test(title, { skip: needs('qemu-img', 'fio') }, ...)`: false when every tool is on PATH, else why the test is
 * skipped.
 *
 * @throws Error when a missing tool is named in `TMEM_REQUIRE` (separated by commas or spaces; `all` names every
 *   tool), so that where a tool must be there, its absence is a failure and not silence
 */
export function needs(...tools: string[]): string | false {
  const missing = tools.filter((tool) => !onPath(tool));
  if (missing.length === 0) return false;
  const required = (process.env['TMEM_REQUIRE'] ?? '').split(/[\s,]+/);
  const unexcused = missing.filter((tool) => required.includes('all') || required.includes(tool));
  if (unexcused.length > 0) throw new Error(`required by TMEM_REQUIRE and not on PATH: ${unexcused.join(', ')}`);
  return `not on PATH: ${missing.join(', ')}`;
}

function onPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
