import { readdirSync, readFileSync } from 'node:fs';
import { PAGE_BYTES } from '../src/base/units.js';
import { NbdError } from '../src/wire/nbd/request.js';
import { NbdClient, NbdReplyError } from '../test/support/nbd-client.js';
import { versionedPage } from '../test/support/versioned-page.js';
import { type Bench, type BenchRun, type Figure, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { type LoadSlice, type LoadVerb, NbdLoad } from './peers/nbd-load.js';
import { startTmem, type TmemServer } from './peers/nbd-servers.js';

/**
 * Two guests with a disk each, served by one worker and by two, both daemons up at once and loaded by turns in slices of
 * 50 ms: one disk at a time, and both at once, by a process each. CPU is that of all threads of the daemon, by its
 * requests; a ratio is the median over the rounds of one slice by its neighbour.
 *
 * Then how long a write waits whose worker has no room, until the other has cleaned a segment and given it up: the store
 * is full with one disk, of which every second page goes, and the other disk is filled.
 */
export const shardsBench: Bench = {
  name: 'shards',
  question: 'What does a second shard cost?',
  needs: ['gcc'],
  floors: {
    'write qd1, CPU a request, one worker = 1': { atMost: 1.05 },
    'write qd32, CPU a request, one worker = 1': { atMost: 1.05 },
    'read qd1, CPU a request, one worker = 1': { atMost: 1.05 },
    'read qd32, CPU a request, one worker = 1': { atMost: 1.05 },
    'a wait for room, median': { atMost: 10_000 },
  },
  run,
};

const LOADS: readonly { readonly verb: LoadVerb; readonly depth: number }[] = [
  { verb: 'write', depth: 1 },
  { verb: 'write', depth: 32 },
  { verb: 'read', depth: 1 },
  { verb: 'read', depth: 32 },
];

const SCALES: Readonly<Record<Scale, { spanPages: number; rounds: number; sliceUs: number }>> = {
  full: { spanPages: 16_384, rounds: 31, sliceUs: 50_000 },
  quick: { spanPages: 4096, rounds: 15, sliceUs: 20_000 },
};

const WARM_UP_US = 100_000;

/** A daemon with a load for each of its disks. */
interface Loaded {
  readonly server: TmemServer;
  readonly loads: readonly NbdLoad[];
}

interface Slice {
  readonly cpuUs: number;
  readonly iops: number;
}

async function run(scale: Scale): Promise<BenchRun> {
  const { spanPages, rounds, sliceUs } = SCALES[scale];
  await using both = new Both();
  for (const workers of [1, 2]) await both.start(workers, spanPages);
  const figures: Figure[] = [];
  const rows: (string | number)[][] = [];
  for (const { verb, depth } of LOADS) {
    for (const disks of [1, 2]) {
      const slices: Slice[][] = both.daemons.map(() => []);
      for (let round = -1; round < rounds; round++) {
        for (const [at, daemon] of both.daemons.entries()) {
          // One at a time: now the one disk, now the other.
          const its = disks === 2 ? daemon.loads : [daemon.loads[Math.abs(round) % 2]!];
          const slice = await sliceOf(daemon.server, its, verb, depth, round < 0 ? WARM_UP_US : sliceUs);
          if (round >= 0) slices[at]!.push(slice);
        }
      }
      const [one = [], two = []] = slices;
      const load = `${verb} qd${depth}${disks === 2 ? ', both at once' : ''}`;
      const ratio = median(two.map(({ cpuUs }, round) => cpuUs / one[round]!.cpuUs));
      figures.push({ name: `${load}, CPU a request, one worker = 1`, value: ratio, unit: 'x' });
      for (const [workers, its] of [one, two].entries()) {
        const [iops, cpuUs] = [its.map((each) => each.iops), its.map((each) => each.cpuUs)];
        rows.push([load, workers + 1, Math.round(median(iops)), median(cpuUs).toFixed(1)]);
      }
    }
  }
  await both.verify();
  const waits = await waitsForRoom();
  figures.push(
    { name: 'a wait for room, median', value: median(waits), unit: 'us' },
    { name: 'a wait for room, the longest', value: Math.max(...waits), unit: 'us' },
  );
  return {
    setting: [
      `two disks, ${spanPages} pages of each overwritten twice, then ${rounds} rounds of ${sliceUs / 1000} ms each; all verified`,
      ...both.daemons.map(({ server }) => server.commandLine),
      `${waits.length} segments given up by one worker for the other`,
    ],
    figures,
    tables: [{ columns: ['load', 'workers', 'IOPS', 'daemon CPU us/op'], rows }],
  };
}

class Both implements AsyncDisposable {
  readonly daemons: Loaded[] = [];

  async start(workers: number, spanPages: number): Promise<void> {
    const server = await startTmem({ guests: 2, workers });
    const loads = server.sockets.map((socket) => new NbdLoad({ corpus: corpusFile(), spanPages, sockets: [socket] }));
    this.daemons.push({ server, loads });
    for (const load of loads) await load.fill(0, 1, 'up');
    for (const pass of [2, 3]) for (const load of loads) await load.fill(0, pass, 'mixed');
  }

  async verify(): Promise<void> {
    for (const load of this.daemons.flatMap(({ loads }) => loads)) {
      const wrong = await load.verify(0);
      if (wrong > 0) throw new Error(`${wrong} pages are not what was written`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { server, loads } of this.daemons) {
      for (const load of loads) await load[Symbol.asyncDispose]();
      await server.close();
    }
  }
}

async function sliceOf(
  { pid }: TmemServer,
  loads: readonly NbdLoad[],
  verb: LoadVerb,
  depth: number,
  us: number,
): Promise<Slice> {
  const before = cpuUsOf(pid);
  const slices = await Promise.all(loads.map((load) => load.slice(0, verb, depth, us)));
  const sum = (of: (slice: LoadSlice) => number): number => slices.reduce((total, slice) => total + of(slice), 0);
  return { cpuUs: (cpuUsOf(pid) - before) / sum(({ operations }) => operations), iops: sum(({ iops }) => iops) };
}

/** CPU that all threads of a process have had. */
function cpuUsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const ns = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]));
  return ns.reduce((sum, each) => sum + each, 0) / 1000;
}

/** Microseconds: as many of the longest writes as the other worker gave segments up for. */
async function waitsForRoom(): Promise<number[]> {
  const server = await startTmem({ diskBytes: 2 ** 26, guests: 2, workers: 2, capacity: '64M' });
  try {
    const [full, other] = await Promise.all(server.sockets.map((socket) => NbdClient.connect(socket)));
    const filled = await fill(full!);
    // What is left of the reserve and of segments begun is used up before.
    await fill(other!);
    for (let page = 0; page < filled.length; page += 2) await full!.trim(page * PAGE_BYTES, PAGE_BYTES);
    const segments = readdirSync(`${server.daemon.arena}/shard-1`).length;
    const writes = await fill(other!);
    const given = readdirSync(`${server.daemon.arena}/shard-1`).length - segments;
    for (const client of [full!, other!]) client.destroy();
    return writes.toSorted((a, b) => b - a).slice(0, given);
  } finally {
    await server.close();
  }
}

/** Pages that do not compress, until one is refused. @returns microseconds of each write */
async function fill(client: NbdClient): Promise<number[]> {
  const times: number[] = [];
  for (let page = 0; ; page++) {
    const start = performance.now();
    try {
      await client.write(page * PAGE_BYTES, versionedPage(page, 1));
    } catch (error) {
      if (error instanceof NbdReplyError && error.error === NbdError.noSpace) return times;
      throw error;
    }
    times.push((performance.now() - start) * 1000);
  }
}
