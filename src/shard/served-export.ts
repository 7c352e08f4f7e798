import type { ExportSpec } from '../base/shard-port.js';
import type { TmemPool } from '../tmem/tmem-pool.js';

/** An export and what is behind it. */
export interface ServedExport {
  readonly spec: ExportSpec;
  readonly pool: TmemPool;
}

/** As clients name it. */
export function exportName({ guest, name }: { readonly guest: string; readonly name: string }): string {
  return `${guest}/${name}`;
}
