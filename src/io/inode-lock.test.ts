import assert from 'node:assert/strict';
import { linkSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { abstractNameOf, type Inode, lockInode } from './inode-lock.js';

const folder = mkdtempSync(path.join(tmpdir(), 'tmem-inode-'));
after(() => rmSync(folder, { recursive: true }));

test('the abstract name has 108 bytes, whatever the numbers in it, so that every version of Node means the same', () => {
  for (const inode of [inodeOf(folder), { dev: 0n, ino: 1n }, { dev: 2n ** 64n - 1n, ino: 2n ** 64n - 1n }]) {
    assert.equal(Buffer.byteLength(abstractNameOf(inode)), 108);
    assert.match(abstractNameOf(inode), /^\0tmem-\d+-\d+x+$/);
  }
});

test('a second lock of an inode is refused by whatever name it is reached, one after the release is not', async () => {
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  linkSync(file, `${file}.link`);
  symlinkSync(file, `${file}.symlink`);
  const lock = await lockInode(inodeOf(file));
  for (const name of [file, `${file}.link`, `${file}.symlink`]) assert.equal(await lockInode(inodeOf(name)), undefined);
  lock!.release();
  (await lockInode(inodeOf(file)))!.release();
});

function inodeOf(name: string): Inode {
  return statSync(name, { bigint: true });
}
