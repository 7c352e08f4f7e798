import { PAGE_BYTES } from '../../src/base/units.js';

/**
 * The content of a page in one of its versions: equal for equal arguments, different for others, so a test need only
 * remember a number. A quarter each is same-filled, incompressible, compressible to any size, and nearly empty.
 */
export function versionedPage(page: number, version: number): Buffer {
  const words = new Uint32Array(PAGE_BYTES / 4);
  const kind = version % 4;
  if (kind === 0) {
    for (let at = 0; at < words.length; at += 2) {
      words[at] = version;
      words[at + 1] = page;
    }
    return Buffer.from(words.buffer);
  }
  let noise = words.length;
  if (kind === 2) noise = 16 * (1 + (version % 41));
  if (kind === 3) noise = 4;
  words.fill(page * 0x01010101);
  words[0] = version;
  words[1] = page;
  let state = (Math.imul(version, 2654435761) + page) >>> 0;
  for (let at = 2; at < noise; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[at] = state;
  }
  return Buffer.from(words.buffer);
}
