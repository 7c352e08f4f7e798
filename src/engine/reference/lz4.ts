/**
 * LZ4 blocks in the plainest words, for tests alone: the decoder that the kernel's must agree with, byte by byte and
 * refusal by refusal, and an encoder that finds other matches than the kernel's, so that its decoder meets blocks
 * that its encoder never makes.
 */

const MATCH_BYTES_MIN = 4;
const MATCH_START_MARGIN = 12;
const MATCH_END_MARGIN = 5;

/** The `pageBytes` bytes that the block stands for, or undefined for any other input. */
export function decompressLz4(block: Uint8Array, pageBytes: number): Uint8Array | undefined {
  const page: number[] = [];
  let at = 0;
  while (at < block.length) {
    const token = block[at++]!;
    const literals = readCount(token >> 4);
    if (literals === undefined || literals > block.length - at || page.length + literals > pageBytes) return undefined;
    for (let i = 0; i < literals; i++) page.push(block[at++]!);
    if (at === block.length) return page.length === pageBytes ? Uint8Array.from(page) : undefined;

    if (block.length - at < 2) return undefined;
    const offset = block[at]! + block[at + 1]! * 256;
    at += 2;
    if (offset === 0 || offset > page.length) return undefined;
    const more = readCount(token & 15);
    if (more === undefined || page.length + more + MATCH_BYTES_MIN > pageBytes) return undefined;
    for (let i = 0; i < more + MATCH_BYTES_MIN; i++) page.push(page[page.length - offset]!);
  }
  return undefined;

  function readCount(nibble: number): number | undefined {
    if (nibble < 15) return nibble;
    let count = nibble;
    for (;;) {
      const more = block[at++];
      if (more === undefined) return undefined;
      count += more;
      if (more < 255) return count;
    }
  }
}

/**
 * A block of any page: it always takes the nearest match that `pick` accepts, so tests can ask for short ones, far
 * ones, and offsets that the kernel's search would pass over.
 */
export function compressLz4(page: Uint8Array, pick: (offset: number) => boolean = () => true): Uint8Array {
  const block: number[] = [];
  let pending = 0;
  let at = 0;
  while (at < page.length - MATCH_START_MARGIN) {
    const match = findMatch(page, at, pick);
    if (match === undefined) {
      at++;
      continue;
    }
    writeSequence(block, page.subarray(pending, at), match);
    at += match.bytes;
    pending = at;
  }
  writeSequence(block, page.subarray(pending), undefined);
  return Uint8Array.from(block);
}

interface Match {
  readonly offset: number;
  readonly bytes: number;
}

function findMatch(page: Uint8Array, at: number, pick: (offset: number) => boolean): Match | undefined {
  for (let offset = 1; offset <= at; offset++) {
    if (!pick(offset)) continue;
    let bytes = 0;
    while (at + bytes < page.length - MATCH_END_MARGIN && page[at + bytes] === page[at + bytes - offset]) bytes++;
    if (bytes >= MATCH_BYTES_MIN) return { offset, bytes };
  }
  return undefined;
}

function writeSequence(block: number[], literals: Uint8Array, match: Match | undefined): void {
  const more = match === undefined ? 0 : match.bytes - MATCH_BYTES_MIN;
  block.push((Math.min(literals.length, 15) << 4) | Math.min(more, 15));
  writeCount(block, literals.length);
  block.push(...literals);
  if (match === undefined) return;
  block.push(match.offset & 255, match.offset >> 8);
  writeCount(block, more);
}

function writeCount(block: number[], count: number): void {
  if (count < 15) return;
  let rest = count - 15;
  for (; rest >= 255; rest -= 255) block.push(255);
  block.push(rest);
}
