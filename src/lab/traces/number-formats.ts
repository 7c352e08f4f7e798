import { TmemError } from '../../base/errors.js';
import { TextLines } from './text-lines.js';
import { type Trace, TraceBuilder } from './trace.js';

/** `lirs`, as the traces of the LIRS papers have it: a page number a line; a line `*` is passed over. */
export function parseLirs(bytes: Uint8Array, name: string): Trace {
  const lines = new TextLines(bytes, name, 'page');
  const trace = new TraceBuilder();
  while (lines.advance()) {
    if (lines.isStar()) continue;
    const page = lines.number();
    lines.end();
    if (!trace.add(page)) lines.refuse('is one reference too many');
  }
  return trace.finish();
}

/** `lackey`: loads and stores of a program, `l` or `s`, an address in hexadecimal, a count; a line is one reference. */
export function parseLackey(bytes: Uint8Array, name: string): Trace {
  const lines = new TextLines(bytes, name, 'l|s 0xaddress count');
  const trace = new TraceBuilder();
  while (lines.advance()) {
    const what = lines.word(1);
    if (what !== 'l' && what !== 's') lines.refuse();
    const address = lines.word(ADDRESS_LENGTH_MAX);
    if (!/^0x[\da-f]+$/i.test(address)) lines.refuse();
    lines.number();
    lines.end();
    // The page is all but the last three digits, whatever the address is.
    const page = address.length <= 5 ? '' : address.slice(2, -3).replace(/^0+/, '').toLowerCase();
    if (!trace.add(page)) lines.refuse('is one reference too many');
  }
  return trace.finish();
}

/** 64 bits. */
const ADDRESS_LENGTH_MAX = 18;

/** `u32be` and `u64be`, as the traces of cache2k have it: big-endian numbers of so many bytes, one a reference. */
export function parseNumbers(bytes: Uint8Array, name: string, width: 4 | 8): Trace {
  if (bytes.length % width !== 0) {
    const whole = Math.floor(bytes.length / width);
    const rest = bytes.length % width;
    const what = `${rest} bytes are left over after ${whole} numbers of ${width} bytes`;
    throw new TmemError('E_TRACE', `${name}, byte ${whole * width}: ${what}; name the format that the file has`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const trace = new TraceBuilder();
  for (let at = 0; at < bytes.length; at += width) {
    const high = width === 8 ? view.getUint32(at) : 0;
    const low = view.getUint32(at + width - 4);
    // Beyond 2^53 two numbers could be one as a float; text tells them apart.
    const page = high < 2 ** 21 ? high * 2 ** 32 + low : `${high}.${low}`;
    if (!trace.add(page)) throw new TmemError('E_TRACE', `${name}, byte ${at}: one reference too many; cut the file`);
  }
  return trace.finish();
}
