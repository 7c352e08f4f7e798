import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PAGE_BYTES } from '../src/base/units.js';
import { type Bench, type BenchRun, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { NbdLoad } from './peers/nbd-load.js';
import { startTmem } from './peers/nbd-servers.js';

/**
 * What a page costs in memory: a daemon with a large disk is filled and overwritten twice over NBD,
 * then asked for its status while more is overwritten and five seconds after.
 */
export const memoryBench: Bench = {
  name: 'memory',
  question: 'How much memory does a stored page take, in the arena, in the index and in the daemon itself?',
  needs: ['gcc'],
  floors: {
    'live records and index, pages = 1': { atMost: 0.5 },
    'metadata of a page': { atMost: 40 },
    'arena under load, live = 1': { atMost: 1.25 },
    'arena after 5 s, live = 1': { atMost: 1.1 },
    // Later versions of Node take more for themselves.
    'daemon without arena': { atMost: process.versions.node.startsWith('20.') ? 120 : 145 },
  },
  run,
};

const SCALES: Readonly<Record<Scale, { pages: number; loadMs: number }>> = {
  full: { pages: 1_000_000, loadMs: 10_000 },
  quick: { pages: 100_000, loadMs: 2000 },
};

const SAMPLE_MS = 250;

async function run(scale: Scale): Promise<BenchRun> {
  const { pages, loadMs } = SCALES[scale];
  const server = await startTmem({ diskBytes: pages * PAGE_BYTES, everything: true });
  try {
    await using load = new NbdLoad({ corpus: corpusFile(), spanPages: pages, sockets: [server.socket] });
    const idleMib = daemonMib(server.pid);
    const samples: { arenaRatio: number; daemonMib: number }[] = [];
    await load.fill(0, 1, 'up');
    await load.fill(0, 2, 'mixed');
    await load.fill(0, 3, 'mixed');
    const overwriting = load.slice(0, 'write', 32, loadMs * 1000);
    for (let ms = SAMPLE_MS; ms < loadMs; ms += SAMPLE_MS) {
      await sleep(SAMPLE_MS);
      const { arena } = await server.daemon.status();
      samples.push({ arenaRatio: arena.occupied_bytes / arena.live_bytes, daemonMib: daemonMib(server.pid) });
    }
    await overwriting;
    await sleep(5000);
    const { arena, exports } = await server.daemon.status();
    const stored = exports[0]!.stored_pages;
    const wrong = await load.verify(0);
    if (wrong > 0) throw new Error(`${wrong} pages are not what was written`);
    return {
      setting: [
        `${stored} pages of 4 KiB, overwritten twice, then at random for ${loadMs / 1000} s; all verified`,
        `${server.name}: ${server.commandLine}`,
        `${exports[0]!.same_filled_pages} pages same-filled; the arena takes ${mib(arena.occupied_bytes)} MiB for ${mib(stored * PAGE_BYTES)} MiB`,
      ],
      figures: [
        {
          name: 'live records and index, pages = 1',
          value: (arena.live_bytes + arena.metadata_bytes) / (stored * PAGE_BYTES),
          unit: 'x',
        },
        { name: 'metadata of a page', value: arena.metadata_bytes / stored, unit: 'bytes' },
        {
          name: 'arena under load, live = 1',
          value: Math.max(...samples.map(({ arenaRatio }) => arenaRatio)),
          unit: 'x',
        },
        { name: 'arena after 5 s, live = 1', value: arena.occupied_bytes / arena.live_bytes, unit: 'x' },
        { name: 'daemon without arena', value: Math.max(...samples.map((each) => each.daemonMib)), unit: 'MiB' },
        { name: 'daemon without pages', value: idleMib, unit: 'MiB' },
      ],
    };
  } finally {
    await server.close();
  }
}

/** Resident memory of the process, without what of it is shared: the arena is files, and not mapped. */
function daemonMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1]);
  return (kib('VmRSS') - kib('RssShmem')) / 1024;
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
