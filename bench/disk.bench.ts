import { diskFolder } from '../test/support/disk-places.js';
import { type Bench, type BenchRun, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { type LoadSlice, type LoadVerb, NbdLoad } from './peers/nbd-load.js';
import { startNbdkitFile, startTmem } from './peers/nbd-servers.js';

/**
 * An arena on a disk beside a raw file on the same one, by turns. Without FUA both write to the page cache; with it each
 * write waits for the disk, and at depth 16 one sync may serve many. What a disk does in a second depends on the disk, and
 * on who else uses it: these figures have no floors.
 */
export const diskBench: Bench = {
  name: 'disk',
  question: 'What does an arena on a disk cost, with and without waiting for the disk?',
  needs: ['gcc', 'disk', 'nbdkit'],
  floors: {},
  run,
};

const LOADS: readonly { verb: LoadVerb; depth: number; name: string }[] = [
  { verb: 'write', depth: 32, name: 'write qd32' },
  { verb: 'durable', depth: 1, name: 'write with FUA qd1' },
  { verb: 'durable', depth: 16, name: 'write with FUA qd16' },
  { verb: 'read', depth: 1, name: 'read qd1' },
];

const SCALES: Readonly<Record<Scale, { spanPages: number; rounds: number; sliceUs: number }>> = {
  full: { spanPages: 32_768, rounds: 15, sliceUs: 300_000 },
  quick: { spanPages: 4096, rounds: 5, sliceUs: 100_000 },
};

async function run(scale: Scale): Promise<BenchRun> {
  const { spanPages, rounds, sliceUs } = SCALES[scale];
  const folder = diskFolder()!;
  const servers = [await startNbdkitFile(folder)];
  try {
    servers.push(await startTmem({ arenaIn: folder }));
    await using load = new NbdLoad({ corpus: corpusFile(), spanPages, sockets: servers.map(({ socket }) => socket) });
    for (const server of servers.keys()) await load.fill(server, 1, 'up');
    for (const pass of [2, 3]) for (const server of servers.keys()) await load.fill(server, pass, 'mixed');
    const measured = [];
    for (const { verb, depth, name } of LOADS) {
      const slices: LoadSlice[][] = servers.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (const server of servers.keys()) slices[server]!.push(await load.slice(server, verb, depth, sliceUs));
      }
      measured.push({ name, slices });
    }
    const wrong = await load.verify(servers.length - 1);
    if (wrong > 0) throw new Error(`${wrong} pages are not what was written`);
    return {
      setting: [
        `${spanPages} pages of 4 KiB, overwritten twice, then ${rounds} rounds of ${sliceUs / 1000} ms each`,
        ...servers.map(({ name, commandLine }) => `${name}: ${commandLine}`),
      ],
      figures: measured.map(({ name, slices: [peer = [], ours = []] }) => ({
        name: `${name}, nbdkit file = 1`,
        value: median(ours.map(({ iops }, round) => iops / peer[round]!.iops)),
        unit: 'x',
      })),
      tables: [
        {
          columns: ['load', 'server', 'IOPS', 'p50 us', 'p99 us', 'server CPU us/op'],
          rows: measured.flatMap(({ name, slices }) =>
            slices.map((each, server) => [
              name,
              servers[server]!.name,
              Math.round(median(each.map(({ iops }) => iops))),
              median(each.map(({ p50Us }) => p50Us)).toFixed(1),
              median(each.map(({ p99Us }) => p99Us)).toFixed(1),
              median(each.map(({ cpuUs }) => cpuUs)).toFixed(1),
            ]),
          ),
        },
      ],
    };
  } finally {
    for (const server of servers) await server.close();
  }
}
