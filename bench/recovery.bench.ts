import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { PAGE_BYTES } from '../src/base/units.js';
import { type Bench, type BenchRun, median, type Scale } from './bench.js';
import { corpusFile } from './corpus.js';
import { NbdLoad } from './peers/nbd-load.js';
import { startTmem } from './peers/nbd-servers.js';
import { PROJECT_FOLDER } from './project-files.js';

/**
 * How long a guest waits after a kill: the daemon's own account of its recovery, by the records it had to read. It
 * reads headers and trusts payloads, but for the segment that was being written; `tmem check` decodes every page and
 * compares its hash; its life as a process counts, less what `tmem check --help` takes to start.
 */
export const recoveryBench: Bench = {
  name: 'recovery',
  question: 'How long does a restart after kill -9 take, and how long a check of every page?',
  needs: ['gcc'],
  floors: {
    'recovery of a record': { atMost: 1 },
    'check of a record': { atMost: 4 },
  },
  run,
};

const SCALES: Readonly<Record<Scale, { pages: number; kills: number }>> = {
  full: { pages: 1_000_000, kills: 5 },
  quick: { pages: 100_000, kills: 5 },
};

async function run(scale: Scale): Promise<BenchRun> {
  const { pages, kills } = SCALES[scale];
  const server = await startTmem({ diskBytes: pages * PAGE_BYTES });
  try {
    {
      await using load = new NbdLoad({ corpus: corpusFile(), spanPages: pages, sockets: [server.socket] });
      await load.fill(0, 1, 'up');
      await load.fill(0, 2, 'mixed');
      await load.fill(0, 3, 'mixed');
      await server.daemon.kill9();
    }
    const recoveries: number[] = [];
    const checks: number[] = [];
    const rows: (string | number)[][] = [];
    for (let kill = 0; kill < kills; kill++) {
      const checked = check(server.daemon.arena);
      const { recovered } = await server.daemon.start();
      await server.daemon.kill9();
      if (recovered.pages !== pages) throw new Error(`${pages - recovered.pages} pages did not come back`);
      recoveries.push((recovered.seconds_s * 1e6) / checked.records);
      checks.push((checked.seconds * 1e6) / checked.records);
      rows.push([checked.records, recovered.seconds_s.toFixed(2), checked.seconds.toFixed(2)]);
    }
    return {
      setting: [`${pages} pages overwritten twice, kill -9, then ${kills} times: check, start, kill -9`],
      figures: [
        { name: 'recovery of a record', value: median(recoveries), unit: 'us' },
        { name: 'check of a record', value: median(checks), unit: 'us' },
      ],
      tables: [{ columns: ['records', 'recovery s', 'check s'], rows }],
    };
  } finally {
    await server.close();
  }
}

function check(arena: string): { records: number; seconds: number } {
  const start = tmemCheck('--help');
  const { stdout, seconds } = tmemCheck('--arena', arena, '--json');
  const { records }: { records: number } = JSON.parse(stdout);
  return { records, seconds: seconds - start.seconds };
}

function tmemCheck(...args: readonly string[]): { stdout: string; seconds: number } {
  const program = path.join(PROJECT_FOLDER, 'dist/src/cli/tmem.js');
  const start = performance.now();
  const { status, stdout } = spawnSync(process.execPath, [program, 'check', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`tmem check ended with ${status}: ${stdout}`);
  return { stdout, seconds: (performance.now() - start) / 1000 };
}
