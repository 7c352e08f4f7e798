// Makes a fresh clone ready before any npm script: right Node, dependencies installed, build current.
// Plain JavaScript without imports from node_modules, because it runs before they exist.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`tmem: E_USAGE: Node.js ${process.versions.node} is too old, 20.19 or newer is needed`);
  process.exit(2);
}

/** Runs `work` unless the stamp file says that it was done for the same inputs. The stamp is written after success only. */
function once(stamp, inputs, work) {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(input).update(existsSync(input) ? readFileSync(input) : '');
  hash.update(`${process.versions.modules} ${process.platform} ${process.arch}`);
  const wanted = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  work();
  writeFileSync(stamp, wanted);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .toSorted();
}

once('node_modules/.tmem-stamp', ['package.json', 'package-lock.json'], () => {
  const npm = process.env.npm_execpath;
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []];
  // --include=dev makes NODE_ENV=production harmless: the build needs the development tools.
  run(command, [...first, 'ci', '--include=dev', '--no-audit', '--no-fund']);
});

const sources = ['kernel', 'src', 'test', 'bench', 'scripts'].flatMap(filesBelow);
once('dist/.tmem-stamp', ['tsconfig.json', 'asconfig.json', 'package.json', ...sources], () => {
  run(process.execPath, ['scripts/build.mjs']);
});
