import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommitOutcome } from '../base/commit-outcome.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import type { SegmentFiles } from '../base/segment-files.js';
import { KIB, MIB } from '../base/units.js';
import { SEGMENT_HEADER_BYTES } from '../engine/segment-header.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PowerLossFiles } from '../io/power-loss-files.js';
import { MemorySpillFile, type SpillFault } from '../tier/memory-spill-file.js';
import { openSmallStore, pageAt, pageOf, type SmallStore, writeVersion } from '../../test/support/small-store.js';
import { PERSISTENT_PRIVATE } from './pool-attributes.js';
import { TmemStatus } from './status.js';
import type { TmemPool } from './tmem-pool.js';

const SECOND_US = 1e6;

/** A store of 1 MiB, and pools with a spill file each, whose calls end when a test says so. */
class Scene {
  readonly segments: SegmentFiles;
  readonly store: SmallStore;
  readonly files: MemorySpillFile[] = [];
  #nowUs = 0;

  constructor(segments: SegmentFiles = new MemorySegmentFiles()) {
    this.segments = segments;
    this.store = openSmallStore(segments, { capacityBytes: MIB });
  }

  pool(guest: string): TmemPool {
    const { tmem } = this.store;
    const client = tmem.client(guest);
    const pool = client.pools[tmem.createPool(client, 'swap', PERSISTENT_PRIVATE)];
    assert.ok(pool !== undefined);
    const file = new MemorySpillFile(seededPrng(1));
    this.files.push(file);
    tmem.spillTo(pool, file);
    return pool;
  }

  put(pool: TmemPool, page: number, version: number = page + 1): TmemStatus {
    const { kernel, source, tmem } = this.store;
    writeVersion(kernel, source, version, 'random');
    const status = pool.replace(0n, pageIndex(page), source);
    assert.equal(tmem.commit(), CommitOutcome.done);
    tmem.catchUp();
    return status;
  }

  /** Until no call is under way. */
  settle(fault?: SpillFault): void {
    for (let calls = this.#calls(); calls.length > 0; calls = this.#calls()) for (const call of calls) call.end(fault);
  }

  tick(us: number = SECOND_US / 20): void {
    this.#nowUs += us;
    this.store.tmem.tick(this.#nowUs);
  }

  requireVersion(pool: TmemPool, page: number, version: number = page + 1): void {
    const { kernel, source, target } = this.store;
    while (pool.get(0n, pageIndex(page), target) === TmemStatus.elsewhere) {
      const fetched = pool.fetch(0n, pageIndex(page), () => {});
      this.settle();
      assert.notEqual(fetched.state, 'damaged');
      if (fetched.state === 'here') kernel.bytes.set(fetched.bytes, target);
      const isHere = fetched.state === 'here';
      fetched.release();
      if (isHere) break;
    }
    assert.ok(pageAt(kernel, target) === pageOf(kernel, source, version, 'random'), `page ${page}`);
  }

  /** Puts pages until some of them have to leave. @returns how many there are */
  fill(pool: TmemPool): number {
    let pages = 0;
    while (this.#calls().length === 0) assert.equal(this.put(pool, pages++), TmemStatus.done);
    return pages;
  }

  #calls(): { end: (fault?: SpillFault) => void }[] {
    return this.files.flatMap(({ waiting }) => [...waiting]);
  }
}

test('nothing leaves a store that has room; from a nearly full one pages leave, and every page is what it was', () => {
  const scene = new Scene();
  const pool = scene.pool('vm1');
  const pages = scene.fill(pool);
  assert.ok(scene.store.engine.room.fill > 0.8, `${scene.store.engine.room.fill}`);
  scene.settle();
  assert.ok(pool.stored.spilledPages > 0 && pool.pages === pages);
  assert.ok(scene.store.engine.room.fill < 0.85, `${scene.store.engine.room.fill}`);
  for (let page = 0; page < pages; page++) scene.requireVersion(pool, page);
});

test('pages that are used do not leave while others are there that are not', () => {
  const scene = new Scene();
  const pool = scene.pool('vm1');
  const pages = scene.fill(pool);
  scene.settle();
  const used = Array.from({ length: pages }, (_, page) => page).filter((page) => !pool.isAway(0n, pageIndex(page)));
  const wanted = used.slice(0, 10);
  for (let page = pages; page < pages + 60; page++) {
    for (const each of wanted) assert.equal(pool.get(0n, pageIndex(each), scene.store.target), TmemStatus.done);
    scene.put(pool, page);
    scene.settle();
  }
  assert.deepEqual(
    wanted.filter((page) => pool.isAway(0n, pageIndex(page))),
    [],
  );
});

test('a guest over its cap loses pages to its own file, and no other guest does', () => {
  const scene = new Scene();
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
  const scene = new Scene();
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
  const scene = new Scene();
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
  const scene = new Scene();
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

test('what a pool leaves in its file goes with it, once the calls under way have ended', () => {
  const scene = new Scene();
  const pool = scene.pool('vm1');
  for (let page = 0; page < 20; page++) scene.put(pool, page);
  scene.store.tmem.relinquish(MIB);
  scene.settle();
  const [file] = scene.files;
  pool.fetch(0n, pageIndex(3), () => {});
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
  const scene = new Scene(disk);
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
