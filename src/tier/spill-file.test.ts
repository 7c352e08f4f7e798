/** One suite for every kind of spill file: what the spiller relies on holds for all of them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { seededPrng } from '../base/prng.js';
import type { SpillFile } from '../base/spill-file.js';
import { PAGE_BYTES } from '../base/units.js';
import { CallGate } from './call-gate.js';
import { MemorySpillFile } from './memory-spill-file.js';
import { openSpillFile } from './open-spill-file.js';

const KINDS: Readonly<Record<string, (use: (file: SpillFile) => Promise<void>) => Promise<void>>> = {
  memory: (use) => use(new MemorySpillFile(seededPrng(1), { onCall: (call) => setImmediate(() => call.end()) })),
  'memory, losing power': (use) =>
    use(new MemorySpillFile(seededPrng(1), { onCall: (call) => setImmediate(() => call.end()), losesPower: true })),
  real: async (use) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tmem-spill-'));
    const owner = { arena: '/arena', export: 'vm1/swap0', pagesNeeded: 0 };
    const file = await openSpillFile(path.join(folder, 'spill'), { ...owner, gate: new CallGate(3) });
    try {
      await use(file);
    } finally {
      file.close();
      rmSync(folder, { recursive: true });
    }
  },
};

for (const [kind, withFile] of Object.entries(KINDS)) {
  test(`${kind}: what was written is read, in any order, one page or several at a time`, () =>
    withFile(async (file) => {
      await wrote(file, 5, pages(5, 6));
      await wrote(file, 0, pages(0));
      assert.deepEqual(await read(file, 6, 1), pages(6));
      assert.deepEqual(await read(file, 5, 2), pages(5, 6));
      assert.deepEqual(await read(file, 0, 1), pages(0));
      await wrote(file, 1, pages(1, 2, 3, 4));
      assert.deepEqual(await read(file, 0, 7), pages(0, 1, 2, 3, 4, 5, 6));
    }));

  test(`${kind}: the newest write of a slot is what is read`, () =>
    withFile(async (file) => {
      await wrote(file, 2, pages(1, 1, 1));
      await wrote(file, 3, pages(9));
      assert.deepEqual(await read(file, 2, 3), pages(1, 9, 1));
    }));

  test(`${kind}: a page that the file does not have is an error, and so are pages of which it has some`, () =>
    withFile(async (file) => {
      await assert.rejects(read(file, 0, 1), { code: 'EIO' });
      await wrote(file, 0, pages(1, 2));
      await assert.rejects(read(file, 2, 1), { code: 'EIO' });
      await assert.rejects(read(file, 1, 2), { code: 'EIO' });
      assert.deepEqual(await read(file, 1, 1), pages(2));
    }));

  test(`${kind}: any number of calls may be under way, each ends once and none within itself`, () =>
    withFile(async (file) => {
      const ended = new Uint8Array(600);
      await new Promise<void>((resolve) => {
        let left = ended.length;
        const done = (n: number) => (): void => {
          ended[n]!++;
          if (--left === 0) resolve();
        };
        for (let n = 0; n < 200; n++) {
          file.write(n, pages(n), done(3 * n));
          file.sync(done(3 * n + 1));
          file.read(n, new Uint8Array(PAGE_BYTES), done(3 * n + 2));
        }
        assert.ok(ended.every((times) => times === 0));
      });
      assert.ok(ended.every((times) => times === 1));
      for (let n = 0; n < 200; n++) assert.deepEqual(await read(file, n, 1), pages(n));
    }));

  test(`${kind}: an emptied file has no pages, and takes new ones`, () =>
    withFile(async (file) => {
      await wrote(file, 0, pages(1, 2, 3));
      await ending((done) => file.empty(done));
      await assert.rejects(read(file, 0, 1), { code: 'EIO' });
      await wrote(file, 1, pages(7));
      assert.deepEqual(await read(file, 0, 2), new Uint8Array([...new Uint8Array(PAGE_BYTES), ...pages(7)]));
    }));

  test(`${kind}: of a file that was closed nobody hears any more`, () =>
    withFile(async (file) => {
      await wrote(file, 0, pages(1));
      const told: string[] = [];
      for (let n = 0; n < 20; n++) {
        file.read(0, new Uint8Array(PAGE_BYTES), () => told.push('read'));
        file.write(1, pages(2), () => told.push('write'));
      }
      file.close();
      file.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual(told, []);
    }));
}

function wrote(file: SpillFile, slot: number, bytes: Uint8Array): Promise<void> {
  return ending((done) => file.write(slot, bytes, done));
}

async function read(file: SpillFile, slot: number, count: number): Promise<Uint8Array> {
  const into = new Uint8Array(count * PAGE_BYTES).fill(0xee);
  await ending((done) => file.read(slot, into, done));
  return into;
}

function ending(call: (done: (error: Error | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error === undefined ? resolve() : reject(error)));
  });
}

/** One page a number, and each byte of it tells where in the page it is. */
function pages(...seeds: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: seeds.length * PAGE_BYTES }, (_, at) => {
    const inPage = at % PAGE_BYTES;
    return (seeds[Math.floor(at / PAGE_BYTES)]! * 31 + inPage * 7 + (inPage >> 8)) & 0xff;
  });
}
