import { TextLines } from './text-lines.js';
import { type Trace, TraceBuilder } from './trace.js';

/** What a request for several blocks is taken for: as many references as it touches pages, or one, of its first block. */
export type Unit = 'page' | 'request';

export interface BlockOptions {
  readonly unit: Unit;
  /** Of a block of the trace; a page is eight blocks of 512 bytes. */
  readonly blockBytes: 512 | 4096;
}

/** Of one request: 256 MiB, more than any disk moves at once, and no reason to fill the memory. */
const PAGES_PER_REQUEST_MAX = 65_536;

/** `lis`, as the traces of the ARC paper have it: `start_block count ignored request_number`. */
export function parseLis(bytes: Uint8Array, name: string, { unit, blockBytes }: BlockOptions): Trace {
  const lines = new TextLines(bytes, name, 'start_block count ignored request_number');
  const trace = new TraceBuilder();
  while (lines.advance()) {
    const start = lines.number();
    const count = lines.number();
    lines.number();
    lines.number();
    lines.end();
    addRequest(trace, lines, start, count, unit, 4096 / blockBytes);
  }
  return trace.finish();
}

/** `vscsi`, as CloudPhysics has it: after a heading, `version,time,op,size,lbn`; size in bytes, lbn in 512-byte blocks. */
export function parseVscsi(bytes: Uint8Array, name: string, { unit }: BlockOptions): Trace {
  const lines = new TextLines(bytes, name, 'version,time,op,size,lbn');
  const trace = new TraceBuilder();
  while (lines.advance()) {
    if (lines.line === 1 && lines.startsWithLetter()) continue;
    lines.number();
    lines.number();
    lines.word(OP_LENGTH_MAX);
    const size = lines.number();
    const start = lines.number();
    lines.end();
    addRequest(trace, lines, start, Math.ceil(size / 512), unit, 8);
  }
  return trace.finish();
}

/** In hexadecimal: 28 is a read, 2a a write. */
const OP_LENGTH_MAX = 4;

function addRequest(
  trace: TraceBuilder,
  lines: TextLines,
  start: number,
  count: number,
  unit: Unit,
  blocksPerPage: number,
): void {
  if (unit === 'request') {
    if (!trace.add(start)) lines.refuse('is one reference too many');
    return;
  }
  const first = Math.floor(start / blocksPerPage);
  const last = Math.floor((start + count - 1) / blocksPerPage);
  if (last - first >= PAGES_PER_REQUEST_MAX) lines.refuse(`asks for more than ${PAGES_PER_REQUEST_MAX} pages`);
  for (let page = first; page <= last; page++) if (!trace.add(page)) lines.refuse('is one reference too many');
}
