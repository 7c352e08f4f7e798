import { TextLines } from './text-lines.js';
import { type Trace, TraceBuilder } from './trace.js';

/**
 * `refs`, our own: `time_us guest kind page rw` a line, kind `a` (anonymous) or `f` (file), rw `r` or `w`. A page is
 * one guest's and of one kind: page 7 of `a` is not page 7 of `f`.
 */
export function parseRefs(bytes: Uint8Array, name: string): Trace {
  const lines = new TextLines(bytes, name, 'time_us guest a|f page r|w');
  const trace = new TraceBuilder();
  const guests = new Map<string, number>();
  const times: number[] = [];
  const guestOf: number[] = [];
  const anonymous: number[] = [];
  const writes: number[] = [];
  while (lines.advance()) {
    const time = lines.number();
    if (time < (times.at(-1) ?? 0)) lines.refuse('is earlier than the line before');
    const guest = lines.word(GUEST_LENGTH_MAX);
    let number = guests.get(guest);
    if (number === undefined) {
      if (guests.size === GUESTS_MAX) lines.refuse(`is one guest more than ${GUESTS_MAX}`);
      number = guests.size;
      guests.set(guest, number);
    }
    const kind = lines.word(1);
    if (kind !== 'a' && kind !== 'f') lines.refuse();
    const page = lines.number();
    const access = lines.word(1);
    if (access !== 'r' && access !== 'w') lines.refuse();
    lines.end();
    if (!trace.add(`${number}${kind}${page}`)) lines.refuse('is one reference too many');
    times.push(time);
    guestOf.push(number);
    anonymous.push(kind === 'a' ? 1 : 0);
    writes.push(access === 'w' ? 1 : 0);
  }
  return trace.finish({
    times_us: Float64Array.from(times),
    guests: [...guests.keys()],
    guestOf: Uint16Array.from(guestOf),
    anonymous: Uint8Array.from(anonymous),
    writes: Uint8Array.from(writes),
  });
}

/** As names of guests in the config. */
const GUEST_LENGTH_MAX = 48;
const GUESTS_MAX = 65_536;
