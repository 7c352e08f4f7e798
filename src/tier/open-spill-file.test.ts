import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs, {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { PAGE_BYTES } from '../base/units.js';
import { CallGate } from './call-gate.js';
import { openSpillFile, type SpillFileUse } from './open-spill-file.js';
import type { RealSpillFile } from './real-spill-file.js';

const root = mkdtempSync(path.join(tmpdir(), 'tmem-open-'));
after(() => rmSync(root, { recursive: true }));
const gate = new CallGate(3);
let folder = root;
let file = root;
beforeEach(() => {
  folder = mkdtempSync(path.join(root, 'f-'));
  file = path.join(folder, 'spill');
});

test('a file that is not there is made, empty and private, with the name of its owner beside it', async () => {
  const spill = await open();
  assert.equal(spill.pagesFound, 0);
  assert.deepEqual([statSync(file).size, statSync(file).mode & 0o777], [0, 0o600]);
  assert.equal(readFileSync(`${file}.owner`, 'utf8'), '{"v":1,"arena":"/dev/shm/tmem","export":"vm1/swap0"}\n');
  assert.equal(statSync(`${file}.owner`).mode & 0o777, 0o600);
  await closed(spill);
});

test('a file with our pages is opened again as it is', async () => {
  await written(3);
  const spill = await open({ pagesNeeded: 3 });
  assert.equal(spill.pagesFound, 3);
  assert.ok(readFileSync(file).every((byte) => byte === 7));
  await closed(spill);
});

test('a file that others may read is made private', async () => {
  writeFileSync(file, '');
  chmodSync(file, 0o644);
  await closed(await open());
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a link to a file is that file', async () => {
  writeFileSync(path.join(folder, 'other'), '');
  symlinkSync('other', file);
  await closed(await open());
});

test('a file is used by one export at a time, by whatever name it is reached', async () => {
  const spill = await open();
  linkSync(file, path.join(folder, 'link'));
  await refuses(/^spill file .*\/spill is in use by export vm1\/swap0 of arena \/dev\/shm\/tmem: name another file$/, {
    export: 'vm2/swap0',
    arena: '/other',
  });
  await refuses(/\/link is in use by another export: name another file$/, {}, path.join(folder, 'link'));
  await closed(spill);
  await closed(await open());
});

test('a file is held until its last call has ended', async () => {
  const held: (() => void)[] = [];
  const spill = await open({ calls: { ...fs, write: (...args) => void held.push(() => fs.write(...args)) } });
  spill.write(0, new Uint8Array(PAGE_BYTES), () => {});
  const ended = closed(spill);
  await refuses(/is in use by export vm1\/swap0/);
  held[0]!();
  await ended;
  await closed(await open());
});

test('another process that uses the file is in the way, until it dies', async () => {
  const modules = path.dirname(new URL(import.meta.url).pathname);
  const program = `
    const { openSpillFile } = await import('${modules}/open-spill-file.js');
    const { CallGate } = await import('${modules}/call-gate.js');
    await openSpillFile('${file}', { gate: new CallGate(1), arena: '/a', export: 'x/y', pagesNeeded: 0 })
      .then(() => console.log('opened'), (error) => console.log(error.code));
    process.exit(0);`;
  const other = (): string => execFileSync(process.execPath, ['--input-type=module', '-e', program]).toString().trim();
  const spill = await open();
  assert.equal(other(), 'E_SPILL');
  await closed(spill);
  assert.equal(other(), 'opened');
  await closed(await open());
});

test('what is no regular file is refused, and not opened', async () => {
  mkdirSync(file);
  await refuses(/^spill file .* is a folder: name a regular file/);
  symlinkSync('/dev/zero', path.join(folder, 'zero'));
  await refuses(/is a device, a pipe or a socket: name a regular file/, {}, path.join(folder, 'zero'));
  execFileSync('mkfifo', [path.join(folder, 'pipe')]);
  await refuses(/is a device, a pipe or a socket/, {}, path.join(folder, 'pipe'));
});

test('a folder that is not there, or may not be written, is refused, and what to do is said', async () => {
  await refuses(/^the folder of spill file .*: make .*\/no, or name another file$/, {}, path.join(folder, 'no/spill'));
  writeFileSync(file, '');
  await refuses(/^the folder of spill file /, {}, path.join(file, 'spill'));
  symlinkSync('loop', path.join(folder, 'loop'));
  await refuses(/^cannot use spill file .* \(ELOOP\): .*name another file$/, {}, path.join(folder, 'loop'));
});

test('a file that is missing or too short for the pages that are in it is refused, and not made', async () => {
  await refuses(/^spill file .* of export vm1\/swap0 is not there, and the arena says .*: put it back/, {
    pagesNeeded: 1,
  });
  assert.equal(existsSync(file), false);
  await written(3);
  await refuses(/of export vm1\/swap0 has 12288 bytes, and the arena says .* up to byte 16384: put the whole/, {
    pagesNeeded: 4,
  });
  assert.equal(statSync(file).size, 3 * PAGE_BYTES);
  await closed(await open({ pagesNeeded: 3 }));
});

test('a file with something else in it is refused and stays as it is', async () => {
  writeFileSync(file, 'letters of love');
  await refuses(/holds 15 B and no .*\.owner says that they are spilled pages: name another file, or remove/);
  assert.equal(readFileSync(file, 'utf8'), 'letters of love');
  writeFileSync(`${file}.owner`, '{"v":1,"arena":"/a\\n","export":"b"}');
  await refuses(/says that they are spilled pages/);
});

test('a file with pages of another export, or of another arena, is refused; an empty one is given to whoever asks', async () => {
  await written(1);
  await refuses(/has pages of export vm1\/swap0 of arena \/dev\/shm\/tmem: name another/, { export: 'vm2/swap0' });
  await refuses(/has pages of export vm1\/swap0 of arena \/dev\/shm\/tmem: name another/, {
    arena: '/var/arena',
    pagesNeeded: 1,
  });
  writeFileSync(file, '');
  await closed(await open({ export: 'vm2/swap0' }));
  assert.match(readFileSync(`${file}.owner`, 'utf8'), /"vm2\/swap0"/);
});

test('a file whose owner is lost is opened where the arena says that pages are in it', async () => {
  await written(2);
  rmSync(`${file}.owner`);
  await refuses(/says that they are spilled pages/);
  await closed(await open({ pagesNeeded: 2 }));
  assert.match(readFileSync(`${file}.owner`, 'utf8'), /"vm1\/swap0"/);
});

function open(changed: Partial<SpillFileUse> = {}, name: string = file): Promise<RealSpillFile> {
  return openSpillFile(name, { gate, arena: '/dev/shm/tmem', export: 'vm1/swap0', pagesNeeded: 0, ...changed });
}

async function written(pages: number): Promise<void> {
  const spill = await open();
  await new Promise<void>((resolve, reject) => {
    spill.write(0, new Uint8Array(pages * PAGE_BYTES).fill(7), (error) =>
      error === undefined ? resolve() : reject(error),
    );
  });
  await closed(spill);
}

async function refuses(message: RegExp, changed: Partial<SpillFileUse> = {}, name: string = file): Promise<void> {
  await assert.rejects(open(changed, name), (error: Error & { code: string }) => {
    assert.equal(error.code, 'E_SPILL');
    assert.match(error.message, message);
    return true;
  });
}

function closed(spill: RealSpillFile): Promise<void> {
  return new Promise((resolve) => spill.close(resolve));
}
