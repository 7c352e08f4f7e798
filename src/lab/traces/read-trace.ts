import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { systemCode, TmemError } from '../../base/errors.js';
import { type BlockOptions, parseLis, parseVscsi } from './block-formats.js';
import { parseLackey, parseLirs, parseNumbers } from './number-formats.js';
import { parseRefs } from './refs-format.js';
import type { Trace } from './trace.js';

/** Formats by the names that `--format` knows. */
export const TRACE_FORMATS = ['refs', 'lis', 'vscsi', 'u32be', 'u64be', 'lirs', 'lackey'] as const;
export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** What a file may hold when it is unpacked: as much as one buffer can on every Node that is supported. */
export const TRACE_BYTES_MAX: number = 2 ** 31 - 1;

const BY_PAGES: BlockOptions = { unit: 'page', blockBytes: 512 };

/**
 * Reads a trace whole, unpacking a file that is called `.gz`. `options` are for `lis` and `vscsi` alone.
 *
 * @throws TmemError E_NOT_FOUND where there is no such file; E_TRACE where it cannot be read as the format, with the
 *   number of the first line that is wrong
 */
export function readTrace(file: string, format: TraceFormat, options: Partial<BlockOptions> = {}): Trace {
  return parseTrace(readUnpacked(file), file, format, options);
}

/** {@link readTrace} of bytes that are there already; `name` is for the words of an error. */
export function parseTrace(
  bytes: Uint8Array,
  name: string,
  format: TraceFormat,
  options: Partial<BlockOptions> = {},
): Trace {
  return PARSERS[format](bytes, name, { ...BY_PAGES, ...options });
}

const PARSERS: Readonly<Record<TraceFormat, (bytes: Uint8Array, name: string, options: BlockOptions) => Trace>> = {
  refs: parseRefs,
  lis: parseLis,
  vscsi: parseVscsi,
  u32be: (bytes, name) => parseNumbers(bytes, name, 4),
  u64be: (bytes, name) => parseNumbers(bytes, name, 8),
  lirs: parseLirs,
  lackey: parseLackey,
};

function readUnpacked(file: string): Uint8Array {
  try {
    const bytes = readFileSync(file);
    return file.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: TRACE_BYTES_MAX }) : bytes;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new TmemError('E_NOT_FOUND', `no trace ${file}: name a file that is there`, { cause: error });
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new TmemError('E_TRACE', `${file} cannot be read: ${why}; name a file that is whole`, { cause: error });
  }
}
