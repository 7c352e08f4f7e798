import { spawn } from 'node:child_process';
import path from 'node:path';
import { PAGE_BYTES } from '../src/base/units.js';
import { type Bench, type BenchRun, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { NbdLoad } from './peers/nbd-load.js';
import { startTmem, type TmemServer } from './peers/nbd-servers.js';
import { PROJECT_FOLDER } from './project-files.js';

/**
 * A modest guest reads a page at a time; beside it another guest, on a disk of its own, writes 2 MiB at depth 16,
 * without end. Rounds with and without it alternate, and the ratio is the median of neighbouring rounds.
 *
 * The rude client runs only where a core has nothing else to do: what it makes others wait for is then the daemon,
 * and not a core of this machine, of which there may be two for the three of them.
 */
export const fairnessBench: Bench = {
  name: 'fairness',
  question: 'How much longer does a modest client wait beside one without manners?',
  needs: ['gcc', 'chrt'],
  floors: { 'p99 of reads at depth 1, alone = 1': { atMost: 3 } },
  run,
};

/** Of either disk: the 32 MiB that the rude client writes to. */
const SPAN_PAGES = 8192;
const SLICE_US = 400_000;
const ROUNDS: Readonly<Record<Scale, number>> = { full: 15, quick: 5 };

async function run(scale: Scale): Promise<BenchRun> {
  const server = await startTmem({ diskBytes: SPAN_PAGES * PAGE_BYTES, guests: 2, everything: true });
  try {
    const [modest = '', rudes = ''] = server.sockets;
    await using load = new NbdLoad({ corpus: corpusFile(), spanPages: SPAN_PAGES, sockets: [modest] });
    await load.fill(0, 1, 'up');
    await load.fill(0, 2, 'mixed');
    await load.fill(0, 3, 'mixed');
    const rounds: { alone: number; beside: number; rudeMiB: number }[] = [];
    for (let round = -1; round < ROUNDS[scale]; round++) {
      const alone = (await load.slice(0, 'read', 1, SLICE_US)).p99Us;
      const rude = await startRudeClient(rudes);
      const before = await writesOf(server);
      const beside = (await load.slice(0, 'read', 1, SLICE_US)).p99Us;
      const rudeMiB = 2 * ((await writesOf(server)) - before);
      await rude.stop();
      if (round >= 0) rounds.push({ alone, beside, rudeMiB });
    }
    return {
      setting: [
        `${SPAN_PAGES} pages of 4 KiB, overwritten twice; ${server.name}: ${server.commandLine}`,
        `${rounds.length} rounds of ${SLICE_US / 1000} ms alone and ${SLICE_US / 1000} ms beside 2 MiB writes at depth 16`,
      ],
      figures: [
        {
          name: 'p99 of reads at depth 1, alone = 1',
          value: median(rounds.map(({ alone, beside }) => beside / alone)),
          unit: 'x',
        },
        { name: 'p99 alone', value: median(rounds.map(({ alone }) => alone)), unit: 'us' },
        { name: 'p99 beside', value: median(rounds.map(({ beside }) => beside)), unit: 'us' },
        { name: 'written beside in a round', value: median(rounds.map(({ rudeMiB }) => rudeMiB)), unit: 'MiB' },
      ],
    };
  } finally {
    await server.close();
  }
}

/** Writes that the guest of the rude client has been answered. */
async function writesOf({ daemon }: TmemServer): Promise<number> {
  const { exports } = await daemon.status();
  return exports.find(({ name }) => name === 'guest1/swap0')!.writes;
}

/** Resolves when it has had time to fill every queue there is. `stop` throws when it has ended before. */
async function startRudeClient(socket: string): Promise<{ stop: () => Promise<void> }> {
  const program = path.join(PROJECT_FOLDER, 'dist/test/hostile/nbd-load.js');
  const line = ['--idle', '0', process.execPath, program, socket];
  const child = spawn('chrt', line, { stdio: 'ignore', timeout: 60_000 });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise((resolve) => setTimeout(resolve, 700));
  return {
    stop: async () => {
      if (child.exitCode !== null) throw new Error('the rude client gave up: what was measured is no neighbour');
      child.kill('SIGKILL');
      await gone;
    },
  };
}
