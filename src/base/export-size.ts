import { EXPORT_BYTES_MAX } from './shard-port.js';
import { formatSize } from './size.js';
import { PAGE_BYTES } from './units.js';

/** Why no export can have this size, in words that follow "it is"; undefined when one can. */
export function exportSizeProblem(bytes: number): string | undefined {
  if (!Number.isSafeInteger(bytes) || bytes < PAGE_BYTES || bytes % PAGE_BYTES !== 0)
    return `not a whole number of pages: make it a multiple of ${PAGE_BYTES} bytes`;
  if (bytes > EXPORT_BYTES_MAX) return `over the largest disk, ${formatSize(EXPORT_BYTES_MAX)}: make it smaller`;
  return undefined;
}
