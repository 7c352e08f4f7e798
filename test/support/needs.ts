import { findKernel } from '../../src/rig/find-kernel.js';
import { findTool } from '../../src/rig/tools.js';

/**
 * For the option `skip` of a test: the reason when one of these tools is not here, else false. Tools are names of
 * programs; `guest-kernel` is a kernel for guests.
 *
 * A machine that is meant to have everything sets `TMEM_REQUIRE` to `all` or to names with commas between; a missing
 * tool is then an error, so that nothing is skipped unseen.
 */
export function needs(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => !isHere(tool));
  if (missing.length === 0) return false;
  const required = (process.env['TMEM_REQUIRE'] ?? '').split(',');
  const wanted = missing.filter((tool) => required.includes('all') || required.includes(tool));
  if (wanted.length > 0) throw new Error(`missing, though TMEM_REQUIRE names it: ${wanted.join(', ')}`);
  return `needs ${missing.join(', ')}`;
}

function isHere(tool: string): boolean {
  if (tool !== 'guest-kernel') return findTool(tool) !== undefined;
  try {
    findKernel();
    return true;
  } catch {
    return false;
  }
}
