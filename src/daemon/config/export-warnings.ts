/** What is to be said of the exports together, whether the file or a command made them what they are. */
import { formatSize } from '../../base/size.js';
import type { Warning } from '../../base/status.js';
import type { Config, GuestConfig } from './config.js';

export function exportWarnings(guests: readonly GuestConfig[], capacityBytes: number): Warning[] {
  const exports = guests.flatMap((guest) => guest.exports);
  if (exports.length === 0)
    return [{ code: 'no-exports', text: 'nothing is served: add [guest.NAME.swap.NAME] with a size to the config' }];
  const swapBytes = exports.reduce((sum, { sizeBytes, spill }) => sum + (spill === null ? sizeBytes : 0), 0);
  if (swapBytes <= capacityBytes) return [];
  // Without spill a full store refuses pages, which stops the guest; with it they move out of the way.
  return [
    {
      code: 'swap-over-capacity',
      text: `swap disks of ${formatSize(swapBytes)} have no spill and a capacity of ${formatSize(capacityBytes)}: a guest whose pages do not fit is paused`,
    },
  ];
}

/** The config with what there is to say of its exports now. */
export function withExportWarnings(config: Config): Config {
  const others = config.warnings.filter(({ code }) => code !== 'no-exports' && code !== 'swap-over-capacity');
  return { ...config, warnings: [...others, ...exportWarnings(config.guests, config.capacityBytes)] };
}
