import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { KIB, MIB } from '../base/units.js';
import { bytesOfPart, partsOf, removeRetired, retirePart, shardFolder } from './arena-parts.js';

let arena: string;
beforeEach(() => {
  arena = mkdtempSync(path.join(tmpdir(), 'tmem-parts-'));
});
afterEach(() => rmSync(arena, { recursive: true, force: true }));

test('parts are the folders with segments, by their numbers', () => {
  assert.deepEqual(partsOf(arena), []);
  for (const part of [10, 2, 0]) segment(shardFolder(arena, part), 'segment-00000', 512 * KIB);
  for (const name of ['shard-01', 'shard-x', 'retired-4', 'other']) segment(path.join(arena, name), 'segment-00000', 1);
  mkdirSync(shardFolder(arena, 5));
  writeFileSync(path.join(arena, 'owner.json'), '{}');
  assert.deepEqual(partsOf(arena), [0, 2, 10]);
});

test('a part takes whole segments of the capacity, also where a death has left a file half made', () => {
  const folder = shardFolder(arena, 0);
  assert.equal(bytesOfPart(arena, 0), 0);
  segment(folder, 'segment-00000', 1000);
  assert.equal(bytesOfPart(arena, 0), 512 * KIB);
  segment(folder, 'segment-00003', 2 * MIB);
  segment(folder, 'something', 9 * MIB);
  assert.equal(bytesOfPart(arena, 0), 4 * MIB);
});

test('a part that is retired is gone, and what a death leaves of it is no part', () => {
  for (const part of [0, 1, 2]) segment(shardFolder(arena, part), 'segment-00000', 512 * KIB);
  retirePart(arena, 1, true);
  assert.deepEqual(readdirSync(arena), ['shard-0', 'shard-2']);
  // A kill between the renaming and the end of the removal.
  segment(path.join(arena, 'retired-7'), 'segment-00001', 512 * KIB);
  assert.deepEqual(partsOf(arena), [0, 2]);
  removeRetired(arena);
  assert.ok(!existsSync(path.join(arena, 'retired-7')));
});

function segment(folder: string, name: string, bytes: number): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), new Uint8Array(bytes));
}
