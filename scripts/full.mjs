// The long tests, two at a time where they do not measure, and a summary of what they showed in docs/results/full.json.
// `node scripts/full.mjs NAME...` runs some of them.
import { spawn } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

const SIMULATOR_SEEDS = 1_000_000;
const HALF = SIMULATOR_SEEDS / 2;
/** Each of the three handshake properties; conversations hold eight requests on average. Together more than 10^7. */
const HANDSHAKES = 1_500_000;
const CONVERSATIONS = 750_000;

/** Jobs of one row run side by side. `sums` are the JSON lines that a test prints of what it did. */
const rows = [
  [
    job('simulator-a', 'test/crash/simulation', { TMEM_SEEDS: HALF, TMEM_SEED: 1 }),
    job('simulator-b', 'test/crash/simulation', { TMEM_SEEDS: HALF, TMEM_SEED: HALF + 1 }),
  ],
  [
    job('fuzz-handshakes', 'src/wire/nbd/handshake-property', { TMEM_FUZZ: HANDSHAKES }),
    job('fuzz-requests', 'src/serve/data/nbd/transmission-property', { TMEM_FUZZ: CONVERSATIONS }),
  ],
  [
    job('model', 'src/tmem/model', { TMEM_MODEL_OPERATIONS: 5_000_000, TMEM_SEED: 2 }),
    job('kills', 'test/crash/kill', { TMEM_KILLS: 100 }),
  ],
];

const wanted = process.argv.slice(2);
const chosen = rows.map((row) => row.filter(({ name }) => wanted.length === 0 || wanted.includes(name)));
const results = [];
for (const row of chosen) results.push(...(await Promise.all(row.map(run))));
save(results);
process.exit(results.every(({ passed }) => passed) ? 0 : 1);

function job(name, test, env) {
  const text = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)]));
  return { name, file: `dist/${test}.test.js`, env: text };
}

function run({ name, file, env }) {
  const started = Date.now();
  const child = spawn(process.execPath, ['--enable-source-maps', '--test', file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.on('close', (status) => {
      const seconds = Math.round((Date.now() - started) / 1000);
      console.log(`${status === 0 ? 'passed' : 'FAILED'} ${name} in ${seconds} s ${JSON.stringify(env)}`);
      if (status !== 0) console.log(output);
      const printed = [...output.matchAll(/^#? ?(\{.*\})$/gm)].map(([, line]) => JSON.parse(line));
      resolve({ name, passed: status === 0, seconds, ...env, printed });
    });
  });
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
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
    machine: `${os.cpus()[0]?.model}, ${os.cpus().length} cores, Node ${process.versions.node}`,
  };
  const stamped = fresh.map((result) => ({ ...stamp, ...result }));
  const kept = earlier.filter(({ name }) => !fresh.some((result) => result.name === name));
  mkdirSync('docs/results', { recursive: true });
  writeFileSync(file, `${JSON.stringify({ v: 1, jobs: [...kept, ...stamped] }, null, 2)}\n`);
}
