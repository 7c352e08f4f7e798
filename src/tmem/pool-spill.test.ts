import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECOND_US, SpillScene } from '../../test/support/spill-scene.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { MIB, PAGE_BYTES } from '../base/units.js';
import { PowerLossFiles } from '../io/power-loss-files.js';
import type { MemorySpillFile } from '../tier/memory-spill-file.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const PAGES = 20;

/** Twenty pages of one pool, all of them in its spill file. */
class AwayScene extends SpillScene {
  readonly vm1: TmemPool = this.pool('vm1');

  constructor(disk?: PowerLossFiles) {
    super(disk);
    for (let page = 0; page < PAGES; page++) this.put(this.vm1, page);
    this.sendAway();
    if (disk !== undefined) endSyncs(disk);
    assert.equal(this.vm1.stored.spilledPages, PAGES);
  }

  get file(): MemorySpillFile {
    return this.files[0]!;
  }

  sendAway(): void {
    this.store.tmem.relinquish(MIB);
    this.settle();
    // A hand that has found nothing more may try again.
    this.tick(2 * SECOND_US);
  }
}

test('a page that comes back is what was spilled, or it is damaged, and counted as that', () => {
  const scene = new AwayScene();
  scene.file.bytes[scene.slotWith(scene.file, 4) * PAGE_BYTES + 100]! ^= 1;
  const fetched = [3, 5].map((page) => scene.fetch(scene.vm1, page));
  scene.settle();
  assert.deepEqual(
    fetched.map(({ state, bytes }) => [state, bytes.length]),
    [
      ['damaged', 0],
      ['gone', 0],
    ],
  );
  assert.equal(scene.vm1.statistics.verifyFailures, 1);
  assert.equal(scene.store.engine.verifyFailures, 1);
  assert.ok(scene.isAway(scene.vm1, 3), 'it is not lost by being damaged');
  scene.requireVersion(scene.vm1, 5);
});

test("what another page's slot holds is no page", () => {
  const scene = new AwayScene();
  const [from, to] = [scene.slotWith(scene.file, 8), scene.slotWith(scene.file, 9)];
  scene.file.bytes.copyWithin(to * PAGE_BYTES, from * PAGE_BYTES, (from + 1) * PAGE_BYTES);
  const fetched = scene.fetch(scene.vm1, 8);
  scene.settle();
  assert.equal(fetched.state, 'damaged');
});

for (const [what, change] of [
  ['put', (scene: AwayScene) => scene.put(scene.vm1, 3, 1000)],
  ['flushed', (scene: AwayScene) => scene.flush(scene.vm1, 3)],
] as const) {
  test(`a page that is ${what} while it is being read is gone: its late arrival is dropped`, () => {
    const scene = new AwayScene();
    let arrivals = 0;
    const fetched = scene.vm1.fetch(0n, pageIndex(3), () => arrivals++);
    change(scene);
    assert.deepEqual([fetched.state, arrivals], ['gone', 1]);
    scene.settle();
    assert.deepEqual([fetched.state, fetched.bytes.length, arrivals], ['gone', 0, 1]);
    assert.equal(scene.vm1.statistics.verifyFailures, 0);
    if (what === 'put') scene.requireVersion(scene.vm1, 3, 1000);
    else assert.ok(!scene.vm1.has(0n, pageIndex(3)));
  });
}

test('a page in memory is got while another is being read', () => {
  const scene = new AwayScene();
  scene.put(scene.vm1, PAGES);
  const fetched = scene.fetch(scene.vm1, 3);
  assert.equal(scene.vm1.get(0n, pageIndex(PAGES), scene.store.target), TmemStatus.done);
  scene.put(scene.vm1, PAGES + 1);
  assert.equal(fetched.state, 'coming');
});

test('while a mark names a slot no other page is written there, and afterwards one is', () => {
  const scene = new AwayScene();
  const slot = scene.slotWith(scene.file, 5);
  for (let page = 0; page < PAGES; page += 2) scene.flush(scene.vm1, page);
  for (let page = PAGES; page < 2 * PAGES; page++) scene.put(scene.vm1, page);
  scene.sendAway();
  assert.equal(scene.vm1.stored.spilledPages, PAGES / 2 + PAGES);
  assert.equal(scene.slotWith(scene.file, 5), -1, `slot ${slot} is free`);
  for (let page = 1; page < PAGES; page += 2) scene.requireVersion(scene.vm1, page);
  for (let page = PAGES; page < 2 * PAGES; page++) scene.requireVersion(scene.vm1, page);
});

test('a slot that a mark names stays its own after a restart', () => {
  const before = new AwayScene();
  before.file.crash();
  const scene = new SpillScene(before.segments);
  const pool = scene.pool('vm1', before.file);
  assert.equal(pool.stored.spilledPages, PAGES);
  for (let page = PAGES; page < 2 * PAGES; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  scene.settle();
  assert.equal(pool.stored.spilledPages, 2 * PAGES);
  for (let page = 0; page < 2 * PAGES; page++) scene.requireVersion(pool, page);
});

test("on a disk a slot is another page's only when what took the place of its mark is synced", () => {
  const disk = new PowerLossFiles(seededPrng(1));
  const scene = new AwayScene(disk);
  const slot = scene.slotWith(scene.file, 4);
  scene.flush(scene.vm1, 3);
  for (let page = PAGES; page < PAGES + 8; page++) scene.put(scene.vm1, page);
  scene.store.tmem.relinquish(MIB);
  for (const call of scene.calls) assert.ok(slot < call.slot || slot >= call.slot + call.pages, 'a mark may come back');
  scene.settle();
  assert.equal(scene.vm1.stored.spilledPages, PAGES - 1 + 8);
  scene.tick(2 * SECOND_US);
  endSyncs(disk);
  assert.equal(scene.vm1.spill?.take(), slot);
});

function endSyncs(disk: PowerLossFiles): void {
  while (disk.isSyncing) disk.endSync('done');
}
