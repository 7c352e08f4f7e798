import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { seededPrng } from '../src/base/prng.js';
import { PAGE_BYTES } from '../src/base/units.js';

/**
 * A process like those whose memory gets swapped, and then its own memory on stdout: objects, strings, parsed JSON,
 * maps, compiled code, malloc'ed arrays. Only anonymous, writable mappings, and of those only pages that are not
 * zero. Started by `corpus.ts`.
 */
const prng = seededPrng(Number(process.argv[2]));
const kept = [work(), records(), readings()];
dumpMemory();
// Alive until here.
if (kept.length === 0) process.exitCode = 1;

/** What a server does: text in, objects in the middle, text out. */
function work(): unknown {
  const source = readFileSync(new URL(import.meta.url), 'utf8');
  const sessions = new Map<string, { user: string; seen: number; tags: string[] }>();
  for (let i = 0; i < 30_000; i++) {
    const tags = source.slice(prng.below(source.length), source.length).split(/\W+/, 4);
    sessions.set(`session-${prng.below(2 ** 32).toString(16)}`, { user: `user${i % 977}`, seen: i * 1000 + 7, tags });
  }
  return [sessions, JSON.stringify([...sessions.values()].slice(0, 10_000)), Buffer.from(source.repeat(40))];
}

function records(): unknown {
  const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, price: prng.below(1e6) / 100, open: id % 3 === 0 }));
  return rows.toSorted((a, b) => a.price - b.price);
}

function readings(): unknown {
  const counts = Uint32Array.from({ length: 300_000 }, () => prng.below(5000));
  const walk = new Float64Array(150_000);
  for (let i = 1; i < walk.length; i++) walk[i] = walk[i - 1]! + prng.below(200) - 100;
  return [counts, walk];
}

function dumpMemory(): void {
  const memory = openSync('/proc/self/mem', 'r');
  const chunk = Buffer.alloc(64 * PAGE_BYTES);
  for (const { from, to } of anonymousMappings()) {
    for (let at = from; at < to; at += chunk.length)
      dumpPages(memory, at, chunk.subarray(0, Math.min(chunk.length, to - at)));
  }
  closeSync(memory);
}

function dumpPages(memory: number, from: number, chunk: Buffer): void {
  try {
    readSync(memory, chunk, 0, chunk.length, from);
  } catch {
    // Unmapped in the meantime, or not for reading.
    return;
  }
  for (let at = 0; at < chunk.length; at += PAGE_BYTES) {
    const page = chunk.subarray(at, at + PAGE_BYTES);
    if (page.some((byte) => byte !== 0)) writeSync(1, page);
  }
}

function anonymousMappings(): { from: number; to: number }[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const found = /^([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0\s*(\[heap\])?$/.exec(line);
      return found === null ? [] : [{ from: Number.parseInt(found[1]!, 16), to: Number.parseInt(found[2]!, 16) }];
    });
}
