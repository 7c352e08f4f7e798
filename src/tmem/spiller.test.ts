import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECOND_US, SpillScene } from '../../test/support/spill-scene.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { KIB, MIB } from '../base/units.js';
import { SEGMENT_HEADER_BYTES } from '../engine/segment-header.js';
import { PowerLossFiles } from '../io/power-loss-files.js';
import { TmemStatus } from './status.js';

test('nothing leaves a store that has room; from a nearly full one pages leave, and every page is what it was', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  const pages = scene.fill(pool);
  assert.ok(scene.store.engine.room.fill > 0.8, `${scene.store.engine.room.fill}`);
  scene.settle();
  assert.ok(pool.stored.spilledPages > 0 && pool.pages === pages);
  assert.ok(scene.store.engine.room.fill < 0.85, `${scene.store.engine.room.fill}`);
  for (let page = 0; page < pages; page++) scene.requireVersion(pool, page);
});

test('pages that are used do not leave while others are there that are not', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  const pages = scene.fill(pool);
  scene.settle();
  const used = Array.from({ length: pages }, (_, page) => page).filter((page) => !scene.isAway(pool, page));
  const wanted = used.slice(0, 10);
  for (let page = pages; page < pages + 60; page++) {
    for (const each of wanted) assert.equal(pool.get(0n, pageIndex(each), scene.store.target), TmemStatus.done);
    scene.put(pool, page);
    scene.settle();
  }
  assert.deepEqual(
    wanted.filter((page) => scene.isAway(pool, page)),
    [],
  );
});

test('a guest over its cap loses pages to its own file, and no other guest does', () => {
  const scene = new SpillScene();
  const [capped, other] = [scene.pool('vm1'), scene.pool('vm2')];
  for (let page = 0; page < 40; page++) for (const pool of [capped, other]) scene.put(pool, page);
  capped.owner.capBytes = 64 * KIB;
  for (let tick = 0; tick < 5; tick++) {
    scene.tick();
    scene.settle();
  }
  assert.ok(capped.owner.storedBytes <= 64 * KIB, `${capped.owner.storedBytes}`);
  assert.ok(capped.stored.spilledPages > 0);
  assert.equal(other.stored.spilledPages, 0);
  for (let page = 0; page < 40; page++) scene.requireVersion(capped, page);
});

test('while the disk is full the store refuses, and a second later it tries again', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  let page = 0;
  while (scene.put(pool, page) === TmemStatus.done) page++;
  assert.equal(scene.put(pool, page), TmemStatus.later);
  let resumed = 0;
  scene.store.tmem.waitForRoom(() => resumed++);
  scene.settle('ENOSPC');
  assert.equal(resumed, 1, 'who waits is told');
  assert.equal(scene.put(pool, page), TmemStatus.noSpace);
  scene.tick(2 * SECOND_US);
  assert.equal(scene.put(pool, page), TmemStatus.later);
  let tries = 0;
  do {
    scene.settle();
    scene.tick();
  } while (scene.put(pool, page) === TmemStatus.later && ++tries < 10);
  assert.ok(pool.has(0n, pageIndex(page)));
  for (let each = 0; each <= page; each++) scene.requireVersion(pool, each);
});

test('where nothing can leave, because what is stored cannot be read, nobody waits for it', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 40; page++) scene.put(pool, page);
  const { segments } = scene.store.engine;
  const waste = new Uint8Array(segments.segmentBytes).fill(0xa5);
  for (const slot of segments.used()) {
    scene.segments.write(slot, SEGMENT_HEADER_BYTES, waste, 0, segments.segmentBytes - SEGMENT_HEADER_BYTES);
  }
  scene.store.tmem.relinquish(MIB);
  let resumed = 0;
  scene.store.tmem.waitForRoom(() => resumed++);
  for (let tries = 0; tries < 20; tries++) scene.store.tmem.catchUp();
  assert.equal(pool.stored.spilledPages, 0);
  assert.equal(pool.spill?.canSpill, false);
  assert.equal(resumed, 1);
});

test('a page that changes while it is being written stays, though the hand comes by again', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 8; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  const [first] = [...scene.files[0]!.waiting];
  assert.ok(first !== undefined && first.kind === 'write');
  scene.put(pool, 0, 1000);
  // The hand goes round once more, and takes the mark of use away.
  scene.store.tmem.relinquish(MIB);
  first.end();
  scene.settle();
  scene.requireVersion(pool, 0, 1000);
  for (let page = 1; page < 8; page++) scene.requireVersion(pool, page);
});

test('a page leaves only when its slot is written: until then, and where that fails, it is in the store', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 8; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  assert.ok(scene.calls.length > 0);
  assert.equal(pool.stored.spilledPages, 0);
  scene.settle('EIO');
  assert.equal(pool.stored.spilledPages, 0);
  scene.tick(2 * SECOND_US);
  scene.settle();
  scene.store.tmem.relinquish(MIB);
  scene.settle();
  assert.equal(pool.stored.spilledPages, 8);
  for (let page = 0; page < 8; page++) scene.requireVersion(pool, page);
});

test('on a disk a page leaves only when its slot is synced', () => {
  const scene = new SpillScene(new PowerLossFiles(seededPrng(1)));
  const pool = scene.pool('vm1');
  for (let page = 0; page < 8; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  for (const call of scene.calls) if (call.kind === 'write') call.end();
  assert.deepEqual(new Set(scene.calls.map(({ kind }) => kind)), new Set(['sync']));
  assert.equal(pool.stored.spilledPages, 0);
  scene.settle();
  assert.equal(pool.stored.spilledPages, 8);
});

test('a page that is used while it is being written stays', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 8; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  assert.equal(pool.get(0n, pageIndex(3), scene.store.target), TmemStatus.done);
  scene.calls[0]!.end();
  assert.ok(!scene.isAway(pool, 3) && pool.stored.spilledPages === 7);
});

test('a hand that has found nothing finds, when it tries again, pages that were put since', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  scene.store.tmem.relinquish(MIB);
  assert.equal(pool.spill?.canSpill, false);
  scene.tick(2 * SECOND_US);
  scene.settle();
  for (let page = 0; page < 8; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  scene.settle();
  assert.equal(pool.stored.spilledPages, 8);
});

test('while all that could leave is being written the hand rests, and goes on when some has been', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 8; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  for (let page = 0; page < 8; page++) scene.flush(pool, page);
  scene.calls[0]!.end();
  assert.equal(pool.spill?.canSpill, false);
  assert.ok(pool.spill.writing > 0);
  for (let page = 8; page < 16; page++) scene.put(pool, page);
  scene.settle();
  assert.equal(pool.stored.spilledPages, 8);
});

test('what a pool leaves in its file goes with it, once the calls under way have ended', () => {
  const scene = new SpillScene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 20; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  scene.settle();
  const [file] = scene.files;
  scene.fetch(pool, 3);
  assert.ok(file!.pagesFound > 0);
  assert.equal(scene.store.tmem.destroyPool(pool.owner, pool.id), TmemStatus.done);
  assert.deepEqual(
    [...file!.waiting].map(({ kind }) => kind),
    ['read'],
  );
  scene.settle();
  assert.equal(file!.pagesFound, 0);
});

test('on a disk the file of a pool is emptied only when no power loss brings the pool back', () => {
  const disk = new PowerLossFiles(seededPrng(1));
  const scene = new SpillScene(disk);
  const pool = scene.pool('vm1');
  for (let page = 0; page < 20; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  scene.settle();
  while (disk.isSyncing) disk.endSync('done');
  const [file] = scene.files;
  assert.ok(pool.stored.spilledPages > 0);
  assert.equal(scene.store.tmem.destroyPool(pool.owner, pool.id), TmemStatus.done);
  scene.settle();
  assert.ok(file!.pagesFound > 0 && disk.isSyncing);
  disk.endSync('done');
  scene.settle();
  assert.equal(file!.pagesFound, 0);
});
