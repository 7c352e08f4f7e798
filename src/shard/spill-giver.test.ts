/** Two real stores of one capacity: what leaves the one for a disk, because the other has no room. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OBJECT, poolOf, put } from '../../test/support/small-pool.js';
import { openSmallStore, pageAt, pageOf, type SmallStore } from '../../test/support/small-store.js';
import { systemClock } from '../base/clock.js';
import { pageIndex } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { SharedBudget } from '../base/shared-budget.js';
import { KIB, MIB } from '../base/units.js';
import { findRoom } from '../daemon/room-broker.js';
import { MemorySpillFile, type SpillCall } from '../tier/memory-spill-file.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { TmemStatus } from '../tmem/status.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { RoomGiver } from './room-giver.js';
import { SpillGiver } from './spill-giver.js';

const SEGMENT_BYTES = 64 * KIB;
const CAPACITY = 4 * MIB;

/** Pages that no store of this capacity holds. */
const PAGES = 1500;

const FAST_DISK = (call: SpillCall): void => void setImmediate(() => call.end());
const HANGING_DISK = (): void => {};
const FAILING_DISK = (call: SpillCall): void => void setImmediate(() => call.end('EIO'));

test('persistent pages leave for their disk until another shard has room for all it may have, and each is what it was', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const [full, late] = [new Sharing(budget, FAST_DISK), new Sharing(budget)];
  const pages = await full.fill();
  let taken = late.putUntilRefused(0);
  const alone = taken;
  while ((await findRoom({ bytes: SEGMENT_BYTES, price: Infinity }, [full])) > 0) taken = late.putUntilRefused(taken);
  assert.ok(taken * 4128 > 0.65 * CAPACITY, `${taken} pages, ${alone} before`);
  assert.ok(full.store.engine.segments.liveBytes < 2 * SEGMENT_BYTES, 'nothing but what it needs to fetch the others');
  for (let page = 0; page < pages; page++) await full.requireVersion(page);
  for (let page = 0; page < taken; page++) await late.requireVersion(page);
});

test('pages that leave for a disk cost more than any that may vanish, and the less the more of them a store has', async () => {
  const budget = SharedBudget.of(CAPACITY);
  const [full, few] = [new Sharing(budget, FAST_DISK), new Sharing(SharedBudget.of(CAPACITY), FAST_DISK)];
  assert.equal(full.spill.price, Infinity, 'there are none');
  await full.fill();
  for (let page = 0; page < 100; page++) few.put(page);
  assert.ok(full.spill.price > 1e6 && few.spill.price > 2 * full.spill.price && few.spill.price < Infinity);
  assert.equal(full.giver.offer().price, full.spill.price);
});

test('for a shard that has pages as cheap to give up none leaves', async () => {
  const full = new Sharing(SharedBudget.of(CAPACITY), FAST_DISK);
  await full.fill();
  while ((await full.giver.give({ bytes: SEGMENT_BYTES, price: 0 })) > 0);
  const { pagesOut } = full.store.tmem.spillProgress;
  assert.equal(await full.giver.give({ bytes: SEGMENT_BYTES, price: full.spill.price }), 0);
  assert.equal(full.store.tmem.spillProgress.pagesOut, pagesOut);
  assert.ok((await full.giver.give({ bytes: SEGMENT_BYTES, price: 2 * full.spill.price })) > 0);
  assert.ok(full.store.tmem.spillProgress.pagesOut > pagesOut);
});

for (const [what, disk] of [
  ['fails', FAILING_DISK],
  ['is full', (call: SpillCall): void => void setImmediate(() => call.end('ENOSPC'))],
] as const) {
  test(`a disk that ${what} ends the wish with what else there is to give, and no page is lost`, async () => {
    const full = new Sharing(SharedBudget.of(CAPACITY), FAST_DISK);
    const pages = await full.fill();
    full.disk = disk;
    while ((await full.giver.give({ bytes: SEGMENT_BYTES, price: Infinity })) > 0);
    assert.equal(full.spill.price, Infinity);
    full.disk = FAST_DISK;
    for (let page = 0; page < pages; page++) await full.requireVersion(page);
    full.store.tmem.tick(10e6);
    assert.ok((await full.giver.give({ bytes: SEGMENT_BYTES, price: Infinity })) > 0, 'it is tried again');
  });
}

test('a disk that hangs is waited for once, until a call of it has ended', async () => {
  const full = new Sharing(SharedBudget.of(CAPACITY), FAST_DISK);
  await full.fill();
  full.disk = HANGING_DISK;
  while ((await full.giver.give({ bytes: SEGMENT_BYTES, price: Infinity })) > 0);
  assert.ok(full.file.waiting.size > 0 && full.waitedUs > 0);
  assert.deepEqual(full.giver.offer(), { spareBytes: 0, price: Infinity });
  full.disk = FAST_DISK;
  const { waitedUs } = full;
  assert.equal(await full.giver.give({ bytes: SEGMENT_BYTES, price: Infinity }), 0);
  assert.equal(full.waitedUs, waitedUs, 'nobody waits for it again');
  for (const call of full.file.waiting) call.end();
  assert.ok((await full.giver.give({ bytes: SEGMENT_BYTES, price: Infinity })) > 0);
});

test('a shard that stops meanwhile waits for no disk', async () => {
  const full = new Sharing(SharedBudget.of(CAPACITY), FAST_DISK);
  await full.fill();
  full.disk = HANGING_DISK;
  const given = full.giver.give({ bytes: CAPACITY, price: Infinity });
  await new Promise((resolve) => setTimeout(resolve, 20));
  full.isStopped = true;
  full.store.tmem.closeSpills();
  assert.ok((await given) < CAPACITY);
});

/** A shard, as far as room goes; with a disk, its pages may leave for that. */
class Sharing {
  readonly store: SmallStore;
  readonly pool: TmemPool;
  readonly file: MemorySpillFile;
  readonly spill: SpillGiver;
  readonly giver: RoomGiver;
  disk: (call: SpillCall) => void;
  isStopped = false;
  /** A clock that goes on by as much as it is asked: what waits for it has waited. */
  waitedUs = 0;

  constructor(budget: SharedBudget, disk?: (call: SpillCall) => void) {
    this.store = openSmallStore(undefined, { segmentBytes: SEGMENT_BYTES, capacityBytes: CAPACITY, budget });
    const { engine, tmem } = this.store;
    this.pool = poolOf(this.store, tmem.client('vm1'), PERSISTENT_PRIVATE);
    this.disk = disk ?? HANGING_DISK;
    this.file = new MemorySpillFile(seededPrng(1), { onCall: (call) => this.disk(call) });
    if (disk !== undefined) tmem.spillTo(this.pool, this.file);
    const isStopped = (): boolean => this.isStopped;
    const clock = { nowUs: () => (this.waitedUs += 20_000) };
    this.spill = new SpillGiver({ engine, tmem, clock, isStopped });
    this.giver = new RoomGiver({ engine, clock: systemClock, givers: [this.spill], isStopped });
  }

  offerRoom(): Promise<ReturnType<RoomGiver['offer']>> {
    return Promise.resolve(this.giver.offer());
  }

  giveRoom(wish: Parameters<RoomGiver['give']>[0]): Promise<number> {
    return this.giver.give(wish);
  }

  put(page: number): TmemStatus {
    const { tmem } = this.store;
    const status = put(this.store, this.pool, pageIndex(page), page, 'random');
    tmem.commit();
    tmem.catchUp();
    return status;
  }

  putUntilRefused(from: number): number {
    let page = from;
    while (page < PAGES && this.put(page) === TmemStatus.done) page++;
    return page;
  }

  /** More than fit: the rest is on the disk. @returns how many */
  async fill(): Promise<number> {
    for (let page = 0; page < PAGES;) {
      page = this.putUntilRefused(page);
      await new Promise<void>((resolve) => this.store.tmem.waitForRoom(resolve));
    }
    while (this.file.waiting.size > 0) await new Promise((resolve) => setImmediate(resolve));
    return PAGES;
  }

  async requireVersion(page: number): Promise<void> {
    const { kernel, source, target } = this.store;
    while (this.pool.get(OBJECT, pageIndex(page), target) === TmemStatus.elsewhere) {
      const fetched = await new Promise<ReturnType<TmemPool['fetch']>>((resolve) => {
        const coming = this.pool.fetch(OBJECT, pageIndex(page), () => resolve(coming));
      });
      const { state, bytes } = fetched;
      if (state === 'here') kernel.bytes.set(bytes, target);
      fetched.release();
      if (state === 'here') break;
      assert.equal(state, 'gone');
    }
    assert.ok(pageAt(kernel, target) === pageOf(kernel, source, page, 'random'), `page ${page}`);
  }
}
