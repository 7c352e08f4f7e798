// The long tests, two at a time where they do not measure, and a summary of what they showed in docs/results/full.json:
// how many tests passed, and the lines of JSON that they print of what they did. `node scripts/full.mjs NAME...` runs
// some of them. Where something is missing they fail, as with .ci/run: a summary knows no excuses.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

const SIMULATOR_SEEDS = 1_000_000;
const HALF = SIMULATOR_SEEDS / 2;
/** A life on a disk is longer, and all pages are compared at once: some 15 ms each. */
const POWER_LOSS_SEEDS = 300_000;
const SPILL_SEEDS = 100_000;
/** Each of the three handshake properties; conversations hold eight requests on average. Together more than 10^7. */
const HANDSHAKES = 1_500_000;
const CONVERSATIONS = 750_000;

/** Jobs of one row run side by side; those that count seconds or pages by the clock run alone. */
const rows = [
  [
    job('simulator-a', ['test/crash/simulation'], { TMEM_SEEDS: HALF, TMEM_SEED: 1 }),
    job('simulator-b', ['test/crash/simulation'], { TMEM_SEEDS: HALF, TMEM_SEED: HALF + 1 }),
  ],
  [
    job('power-loss-a', ['test/crash/power-loss'], { TMEM_SEEDS: POWER_LOSS_SEEDS / 2, TMEM_SEED: 1 }),
    job('power-loss-b', ['test/crash/power-loss'], {
      TMEM_SEEDS: POWER_LOSS_SEEDS / 2,
      TMEM_SEED: POWER_LOSS_SEEDS / 2 + 1,
    }),
  ],
  [
    job('spill-a', ['test/crash/spill'], { TMEM_SEEDS: SPILL_SEEDS / 2, TMEM_SEED: 1 }),
    job('spill-b', ['test/crash/spill'], { TMEM_SEEDS: SPILL_SEEDS / 2, TMEM_SEED: SPILL_SEEDS / 2 + 1 }),
  ],
  [
    job('fuzz-handshakes', ['src/wire/nbd/handshake-property'], { TMEM_FUZZ: HANDSHAKES }),
    job('fuzz-requests', ['src/serve/data/nbd/transmission-property'], { TMEM_FUZZ: CONVERSATIONS }),
  ],
  [
    job('model', ['src/tmem/model'], { TMEM_MODEL_OPERATIONS: 10_000_000, TMEM_SEED: 2 }),
    job('kills', ['test/crash/kill'], { TMEM_KILLS: 100 }),
  ],
  [job('kills-under-a-crowd', ['test/crash/concurrent'], { TMEM_KILLS: 100 })],
  [job('kills-of-those-who-share', ['test/crash/sharing'], { TMEM_KILLS: 30 })],
  [job('interop', testsIn('test/interop'))],
  [job('hostile', testsIn('test/hostile'))],
  ...testsIn('test/guest').map((test) => [job(`guest-${path.basename(test)}`, [test])]),
];

/** The longest takes a quarter of an hour on two cores; what takes so much longer hangs. */
const HOURS_MAX = 2;

const wanted = process.argv.slice(2);
const names = rows.flat().map(({ name }) => name);
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`no long test ${unknown.join(', ')}: there are ${names.join(', ')}`);
  process.exit(2);
}
let allPassed = true;
for (const row of rows) {
  const chosen = row.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  if (chosen.length === 0) continue;
  const results = await Promise.all(chosen.map(run));
  // After each row, so that hours of results outlive whatever happens to the next.
  save(results);
  allPassed &&= results.every(({ passed }) => passed);
}
process.exit(allPassed ? 0 : 1);

function testsIn(folder) {
  const tests = readdirSync(path.join('dist', folder)).filter((name) => name.endsWith('.test.js'));
  return tests.toSorted().map((name) => `${folder}/${path.basename(name, '.test.js')}`);
}

function job(name, tests, env = {}) {
  const text = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)]));
  return { name, files: tests.map((test) => `dist/${test}.test.js`), env: text };
}

function run({ name, files, env }) {
  const started = Date.now();
  const how = ['--enable-source-maps', '--test-reporter=tap', '--test-concurrency=1', '--test', ...files];
  const child = spawn(process.execPath, how, {
    env: { ...process.env, TMEM_REQUIRE: 'all', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: HOURS_MAX * 3_600_000,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.on('close', (status) => {
      const seconds = Math.round((Date.now() - started) / 1000);
      console.log(`${status === 0 ? 'passed' : 'FAILED'} ${name} in ${seconds} s ${JSON.stringify(env)}`);
      if (status !== 0) console.log(output);
      const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
      const tests = { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') };
      const printed = [...output.matchAll(/^# (\{.*\})$/gm)].flatMap(([, line]) => parsed(line));
      resolve({ name, passed: status === 0, seconds, ...env, tests, printed });
    });
  });
}

/** What looks like JSON and is none is not for us. */
function parsed(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

/** Keeps what other jobs showed earlier. */
function save(fresh) {
  const file = 'docs/results/full.json';
  let earlier = [];
  try {
    earlier = JSON.parse(readFileSync(file, 'utf8')).jobs;
  } catch {
    // The first run.
  }
  const stamp = {
    date: new Date().toISOString(),
    // Null outside a git tree.
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() || null,
    machine: `${os.cpus()[0]?.model}, ${os.cpus().length} cores, Node ${process.versions.node}`,
  };
  const stamped = fresh.map((result) => ({ ...stamp, ...result }));
  const kept = earlier.filter(({ name }) => !fresh.some((result) => result.name === name));
  mkdirSync('docs/results', { recursive: true });
  writeFileSync(file, `${JSON.stringify({ v: 1, jobs: [...kept, ...stamped] }, null, 2)}\n`);
}
