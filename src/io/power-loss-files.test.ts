import assert from 'node:assert/strict';
import { test } from 'node:test';
import { segmentSlot } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { PowerLossFiles } from './power-loss-files.js';

const BYTES = 8192;
const ONE = segmentSlot(1);

test('what a sync covers is there after every loss of power, and what came after it began is there in parts', () => {
  const seen = { all: 0, none: 0, some: 0 };
  for (let seed = 0; seed < 300; seed++) {
    const files = new PowerLossFiles(seededPrng(seed));
    files.create(ONE, BYTES);
    fill(files, 1);
    files.syncing.begin(() => {});
    fill(files, 2);
    files.endSync('done');
    files.losePower();
    const bytes = contentOf(files);
    assert.equal(bytes.length, BYTES);
    const sectors = Array.from({ length: BYTES / 512 }, (_, n) => new Set(bytes.subarray(n * 512, n * 512 + 512)));
    for (const sector of sectors) assert.ok(sector.size === 1 && (sector.has(1) || sector.has(2)), 'one state of each');
    const late = sectors.filter((sector) => sector.has(2)).length;
    if (late === 0) seen.none++;
    else if (late === sectors.length) seen.all++;
    else seen.some++;
  }
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 10, `${what}: ${count}`);
});

test('a name, a size and a removal that were not synced may be lost, each by itself', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const files = new PowerLossFiles(seededPrng(seed));
    files.create(ONE, BYTES);
    files.syncing.now();
    files.remove(ONE, () => {});
    files.create(segmentSlot(2), BYTES);
    files.losePower();
    const [one, two] = [1, 2].map((slot) => files.list().find((file) => file.slot === segmentSlot(slot))?.bytes);
    seen.add(`${one === undefined ? 'gone' : 'back'} ${two === undefined ? 'lost' : two < BYTES ? 'short' : 'there'}`);
  }
  assert.deepEqual([...seen].toSorted(), [
    'back lost',
    'back short',
    'back there',
    'gone lost',
    'gone short',
    'gone there',
  ]);
});

test('what a failed sync was to keep is kept or lost for good: another sync does not bring it back, writing it again does', () => {
  let lost = 0;
  for (let seed = 0; seed < 100; seed++) {
    const files = new PowerLossFiles(seededPrng(seed));
    files.create(ONE, BYTES);
    files.syncing.now();
    fill(files, 1);
    const told: unknown[] = [];
    files.syncing.begin((error) => told.push(error));
    files.endSync('fault');
    assert.ok(told[0] instanceof Error);
    assert.ok(
      contentOf(files).every((byte) => byte === 1),
      'processes see it',
    );
    if (seed % 2 === 0) fill(files, 1);
    files.syncing.now();
    files.losePower();
    const isThere = contentOf(files).every((byte) => byte === 1);
    if (seed % 2 === 0) assert.ok(isThere);
    else if (!isThere) lost++;
  }
  assert.ok(lost > 10);
});

function fill(files: PowerLossFiles, value: number): void {
  files.write(ONE, 0, new Uint8Array(BYTES).fill(value), 0, BYTES);
}

function contentOf(files: PowerLossFiles): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  return bytes.subarray(0, files.read(ONE, 0, bytes, 0, BYTES));
}
