import { existsSync } from 'node:fs';
import { needs } from '../test/support/needs.js';
import { type Bench, type BenchRun, type Figure, type Floor, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { type LoadSlice, type LoadVerb, NbdLoad } from './peers/nbd-load.js';
import {
  type NbdServer,
  startNbdkit,
  startNbdkitZstd,
  startNbdLimit,
  startQemuNbd,
  startQemuStorageDaemon,
  startTmem,
} from './peers/nbd-servers.js';

/**
 * A swap disk, page by page, against servers of the same protocol. All run at once and are loaded by turns, in slices
 * of 50 ms, on pages of the same corpus in the same random order; the other servers sleep meanwhile. A ratio is the
 * median over the rounds of one slice by its neighbour. Each server's span is overwritten twice before: our log is
 * then at the slack where it cleans, and peers have touched their memory. Ours has everything on that a daemon may be
 * configured to do besides; its second disk is full of pages of its own.
 *
 * Servers that do not compress are the nearer the faster a machine compresses; the same work in C tells what is the
 * machine's and what is ours.
 */
export const nbdBench: Bench = {
  name: 'nbd',
  question: 'How fast is a swap disk, by requests and by CPU, against servers that do not compress, and one that does?',
  needs: ['gcc'],
  floors: {
    ...floorsOf('nbdkit', { write1: [0.7, 0.8], write32: [0.65, 0.75], read1: [1.05, 1.2], read32: [1.3, 1.5] }),
    ...floorsOf('nbdkit zstd', { write1: [6], write32: [8], read1: [4], read32: [5] }),
    ...floorsOf('the faster of qemu', { write1: [1.2], write32: [1.8], read1: [1.4], read32: [3] }),
  },
  run,
};

/** A server that does what ours must, page by page, and nothing else: how near to it we come, whatever the machine. */
const LIMIT = 'the same work in C';

interface Load {
  readonly verb: LoadVerb;
  readonly depth: number;
}

/** Writes first, while the log is as the fill has left it. */
const LOADS: readonly Load[] = [
  { verb: 'write', depth: 1 },
  { verb: 'write', depth: 32 },
  { verb: 'read', depth: 1 },
  { verb: 'read', depth: 32 },
];

const SCALES: Readonly<Record<Scale, { spanPages: number; rounds: number; sliceUs: number; warmUpUs: number }>> = {
  // 256 MiB: more than a virtual machine has of a cache, and within the disk of the default config.
  full: { spanPages: 65_536, rounds: 31, sliceUs: 50_000, warmUpUs: 300_000 },
  quick: { spanPages: 4096, rounds: 15, sliceUs: 20_000, warmUpUs: 50_000 },
};

/** Started only where their tool is. */
const PEERS: readonly { tool: string; start: () => Promise<NbdServer> }[] = [
  { tool: 'nbdkit', start: startNbdkit },
  { tool: 'nbdkit', start: startNbdkitZstd },
  { tool: 'qemu-nbd', start: startQemuNbd },
  { tool: 'qemu-storage-daemon', start: startQemuStorageDaemon },
  { tool: 'liblz4', start: startNbdLimit },
];

async function run(scale: Scale): Promise<BenchRun> {
  const { spanPages, rounds, sliceUs, warmUpUs } = SCALES[scale];
  const skipped: string[] = [];
  const servers: NbdServer[] = [];
  try {
    for (const { tool, start } of PEERS) {
      const missing = needs(tool);
      if (missing === false) servers.push(await start());
      else skipped.push(missing);
    }
    const ours = servers.length;
    const tmem = await startTmem({ everything: true });
    servers.push(tmem);
    {
      await using other = new NbdLoad({ corpus: corpusFile(), spanPages, sockets: tmem.others });
      await other.fill(0, 1, 'up');
    }
    await using load = new NbdLoad({ corpus: corpusFile(), spanPages, sockets: servers.map(({ socket }) => socket) });
    // Ours last: it gets no idle second to tidy up in between.
    for (const server of servers.keys()) await load.fill(server, 1, 'up');
    for (const pass of [2, 3]) for (const server of servers.keys()) await load.fill(server, pass, 'mixed');
    const measured = [];
    for (const { verb, depth } of LOADS) {
      for (const server of servers.keys()) await load.slice(server, verb, depth, warmUpUs);
      const slices: LoadSlice[][] = servers.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (const server of servers.keys()) slices[server]!.push(await load.slice(server, verb, depth, sliceUs));
      }
      measured.push({ name: `${verb} qd${depth}`, slices });
    }
    const scraped = tmem.scraped();
    if (scraped === 0) throw new Error('metrics were never answered');
    const wrong = await load.verify(ours);
    if (wrong > 0) throw new Error(`${wrong} pages are not what was written`);
    const names = servers.map(({ name }) => name);
    return {
      setting: [
        `${spanPages} pages of 4 KiB on a disk of 1 GiB, overwritten twice, then ${rounds} rounds of ${sliceUs / 1000} ms each`,
        `arena and raw files on ${existsSync('/dev/shm') ? 'tmpfs' : 'disk'}; every page of ours verified afterwards; metrics answered ${scraped} times`,
        ...servers.map(({ name, commandLine }) => `${name}: ${commandLine}`),
        ...skipped,
      ],
      skippedPeers: skipped,
      figures: measured.flatMap((each) => figuresOf({ ...each, names, ours })),
      tables: [tableOf(measured, names)],
    };
  } finally {
    for (const server of servers) await server.close();
  }
}

interface Measured {
  /** Such as `write qd32`. */
  readonly name: string;
  /** By server, by round. */
  readonly slices: readonly (readonly LoadSlice[])[];
}

function figuresOf({ name, slices, names, ours }: Measured & { names: readonly string[]; ours: number }): Figure[] {
  const iopsRatio = (peer: number): number =>
    median(slices[ours]!.map(({ iops }, round) => iops / slices[peer]![round]!.iops));
  const medianIops = (server: number): number => median(slices[server]!.map(({ iops }) => iops));
  const figures: Figure[] = [];
  for (const peer of ['nbdkit', 'nbdkit zstd', LIMIT]) {
    const at = names.indexOf(peer);
    if (at >= 0) figures.push({ name: figureName(name, peer), value: iopsRatio(at), unit: 'x' });
  }
  // By their medians: the larger of two in each round would be the luckier one.
  const [qemu] = names
    .flatMap((each, at) => (each.startsWith('qemu') ? [at] : []))
    .toSorted((a, b) => medianIops(b) - medianIops(a));
  if (qemu !== undefined)
    figures.push({ name: figureName(name, 'the faster of qemu'), value: iopsRatio(qemu), unit: 'x' });
  const nbdkit = names.indexOf('nbdkit');
  const limit = names.indexOf(LIMIT);
  if (nbdkit >= 0 && limit >= 0) {
    const value = median(slices[limit]!.map(({ iops }, round) => iops / slices[nbdkit]![round]!.iops));
    figures.push({ name: `${name}, ${LIMIT} by nbdkit = 1`, value, unit: 'x' });
  }
  if (nbdkit >= 0) {
    const value = median(slices[ours]!.map(({ cpuUs }, round) => cpuUs / slices[nbdkit]![round]!.cpuUs));
    figures.push({ name: `${name}, CPU a request, nbdkit = 1`, value, unit: 'x' });
  }
  return figures;
}

function tableOf(measured: readonly Measured[], names: readonly string[]): NonNullable<BenchRun['tables']>[number] {
  const of = (slices: readonly LoadSlice[], value: keyof LoadSlice): number =>
    median(slices.map((slice) => slice[value]));
  return {
    columns: ['load', 'server', 'IOPS', 'best', 'p50 us', 'p99 us', 'server CPU us/op'],
    rows: measured.flatMap(({ name, slices }) =>
      slices.map((each, server) => [
        name,
        names[server]!,
        Math.round(of(each, 'iops')),
        Math.round(Math.max(...each.map(({ iops }) => iops))),
        of(each, 'p50Us').toFixed(1),
        of(each, 'p99Us').toFixed(1),
        of(each, 'cpuUs').toFixed(1),
      ]),
    ),
  };
}

type FloorAndStretch = readonly [atLeast: number, stretch?: number];

function floorsOf(
  peer: string,
  by: Readonly<Record<'write1' | 'write32' | 'read1' | 'read32', FloorAndStretch>>,
): Record<string, Floor> {
  const floor = ([atLeast, stretch]: FloorAndStretch): Floor =>
    stretch === undefined ? { atLeast } : { atLeast, stretch };
  return {
    [figureName('write qd1', peer)]: floor(by.write1),
    [figureName('write qd32', peer)]: floor(by.write32),
    [figureName('read qd1', peer)]: floor(by.read1),
    [figureName('read qd32', peer)]: floor(by.read32),
  };
}

function figureName(load: string, peer: string): string {
  return `${load}, ${peer} = 1`;
}
