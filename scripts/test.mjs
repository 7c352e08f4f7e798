// Runs one group of the built tests: `unit` is what stands beside the sources, the others are folders of test/.
// Lists the files itself, because node --test takes no patterns on Node 20.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const [group = 'unit', ...rest] = process.argv.slice(2);
const folders = group === 'unit' ? ['dist/src', 'dist/test/unit'] : [`dist/test/${group}`];
const files = folders.filter((folder) => existsSync(folder)).flatMap(testsBelow);
if (files.length === 0) {
  console.error(`no tests in ${folders.join(', ')}`);
  process.exit(1);
}
// Guests, crashes and peers share two cores and the clock, so only unit tests run side by side.
const atOnce = group === 'unit' ? [] : ['--test-concurrency=1'];
// A test that waits for what never comes must not hold up the rest: no test takes longer than this.
const limits = ['--test-timeout=600000'];
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', ...limits, ...atOnce, ...rest, '--test', ...files],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
process.exit(status ?? 1);

function testsBelow(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => path.join(folder, name))
    .toSorted();
}
