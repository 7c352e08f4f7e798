// Runs groups of the built tests: `unit` is what stands beside the sources, the others are folders of test/. What
// follows the first dash is for node.
// Lists the files itself, because node --test takes no patterns on Node 20.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const args = process.argv.slice(2);
const dash = args.findIndex((arg) => arg.startsWith('-'));
const named = dash < 0 ? args : args.slice(0, dash);
const groups = named.length === 0 ? ['unit'] : named;
const folders = groups.flatMap((group) => (group === 'unit' ? ['dist/src', 'dist/test/unit'] : [`dist/test/${group}`]));
const files = folders.flatMap(testsBelow);
// Guests, crashes and peers share two cores and the clock, so only unit tests run side by side.
const atOnce = groups.every((group) => group === 'unit') ? [] : ['--test-concurrency=1'];
// A test that waits for what never comes must not hold up the rest: no test takes longer than this.
const limits = ['--test-timeout=600000'];
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', ...limits, ...atOnce, ...args.slice(named.length), '--test', ...files],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
process.exit(status ?? 1);

function testsBelow(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }) : [];
  const tests = names.filter((name) => name.endsWith('.test.js'));
  if (tests.length === 0) {
    console.error(`no tests in ${folder}`);
    process.exit(1);
  }
  return tests.map((name) => path.join(folder, name)).toSorted();
}
