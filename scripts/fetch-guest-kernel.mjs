// Puts a Linux kernel and its modules for the test guests into the cache folder: downloads the package that Debian's
// linux-image-cloud-amd64 names and unpacks it. Needs apt and dpkg-deb, but no root, and installs nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const cache = process.env.TMEM_CACHE || path.join(root, '.cache');
const target = path.join(cache, 'guest');

if (existsSync(path.join(target, 'boot')) && existsSync(path.join(target, 'lib/modules'))) {
  console.log(`guest kernel: already in ${target}`);
  process.exit(0);
}

mkdirSync(cache, { recursive: true });
// Beside its final place, so that a rename finishes the work: a fetch cut short leaves nothing that looks whole.
const work = mkdtempSync(path.join(cache, 'fetch-'));
try {
  const meta = 'linux-image-cloud-amd64';
  const image = /^\s*Depends: (linux-image-\S+)$/m.exec(run('apt-cache', ['depends', meta]))?.[1];
  if (image === undefined) fail(`apt knows no package ${meta}; type: apt-get update`);
  run('apt-get', ['-q', 'download', image], { cwd: work });
  const deb = readdirSync(work).find((name) => name.endsWith('.deb'));
  if (deb === undefined) fail(`apt-get download ${image} brought no file; type: apt-get update`);
  const unpacked = path.join(work, 'unpacked');
  run('dpkg-deb', ['-x', path.join(work, deb), unpacked]);
  // Since the merged /usr the modules may be packed in either place.
  const modules = ['lib/modules', 'usr/lib/modules'].map((at) => path.join(unpacked, at)).find((at) => existsSync(at));
  if (modules === undefined) fail(`${image} holds no modules`);
  const made = path.join(work, 'guest');
  mkdirSync(path.join(made, 'lib'), { recursive: true });
  renameSync(path.join(unpacked, 'boot'), path.join(made, 'boot'));
  renameSync(modules, path.join(made, 'lib/modules'));
  rmSync(target, { recursive: true, force: true });
  renameSync(made, target);
  console.log(`guest kernel: ${image} unpacked into ${target}`);
} catch (error) {
  console.error(`fetch-guest-kernel: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 300_000,
    ...options,
  });
  if (error !== undefined) fail(`${command} does not run (${error.message}); this script needs a Debian or Ubuntu`);
  if (status !== 0) fail(`${command} ${args.join(' ')} failed: ${stderr.trim().split('\n').at(-1)}`);
  return stdout;
}

function fail(message) {
  throw new Error(message);
}
