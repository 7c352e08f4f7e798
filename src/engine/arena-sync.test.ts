/** An arena on a disk: what a FLUSH covers, when segments are free again, and what damage is when a power loss is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_SEGMENT_BYTES, TestEngine } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import type { Durability } from '../base/durability.js';
import { TmemError } from '../base/errors.js';
import { segmentSlot, type SegmentSlot } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import type { FilesSync, SegmentFiles } from '../base/segment-files.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { PowerLossFiles } from '../io/power-loss-files.js';
import { RecordKind } from './record.js';
import { RESERVE_SEGMENTS } from './log-writer.js';

/** A page that does not compress. */
const raw = (page: number, version: number): Buffer => versionedPage(page, 1 + 4 * version);

test('a sync covers what was committed before it began; who asks meanwhile waits for the next, all of them for one', () => {
  const { disk, store, durability } = onDisk();
  const ended: string[] = [];
  assert.ok(store.store(0, raw(0, 1)));
  durability.sync((outcome) => ended.push(`a ${outcome}`));
  assert.ok(store.store(1, raw(1, 1)));
  for (const name of ['b', 'c', 'd']) durability.sync((outcome) => ended.push(`${name} ${outcome}`));
  assert.equal(ended.length, 0);
  disk.endSync('done');
  assert.deepEqual(ended, ['a 0']);
  assert.ok(disk.isSyncing);
  disk.endSync('done');
  assert.deepEqual(ended, ['a 0', 'b 0', 'c 0', 'd 0']);
  durability.sync((outcome) => ended.push(`e ${outcome}`));
  assert.equal(ended.at(-1), 'e 0', 'there is nothing to sync');
  assert.equal(disk.isSyncing, false);
});

test('on files that need no sync nothing of it is there, not in memory and not in the arena', () => {
  const files = new MemorySegmentFiles();
  const store = new TestEngine(files);
  for (let page = 0; page < 60; page++) assert.ok(store.store(page % 20, raw(page % 20, page)));
  assert.equal(store.engine.durability, undefined);
  for (const { slot } of files.list()) {
    const file = files.fileOf(slot);
    assert.ok(
      file.subarray(40, 48).every((byte) => byte === 0),
      'no header says what is synced',
    );
    assert.notEqual(file[128 + 6], RecordKind.position, 'no segment begins with a position');
  }
});

test('a cleaned segment is free after two syncs, and until then changes are told to wait, not refused', () => {
  const { disk, store, durability } = onDisk({ segments: 8 });
  let version = 0;
  let held = 0;
  for (let batch = 0; batch < 400; batch++) {
    let resumed = true;
    while (durability.mustWait(() => (resumed = true))) {
      held++;
      resumed = false;
      assert.ok(disk.isSyncing, 'who waits has something to wait for');
      disk.endSync('done');
      assert.ok(resumed, 'who waits is woken');
    }
    assert.ok(store.put(batch % 12, raw(batch % 12, ++version)), `batch ${batch}: an overwrite is taken`);
    assert.ok(store.commit());
  }
  assert.ok(held > 10, `${held} changes waited`);
  for (let page = 0; page < 12; page++) assert.notEqual(store.get(page), 'damaged');
});

test('a segment that waits for its sync is not written to, whatever else is short', () => {
  const { disk, store } = onDisk({ segments: 8 });
  let version = 0;
  // Without a sync ever ending: only what is free from the start is used.
  for (let batch = 0; batch < 200; batch++) {
    if (!store.put(batch % 4, raw(batch % 4, ++version))) break;
    assert.ok(store.commit());
  }
  assert.ok(store.engine.segments.comingFiles > 0);
  assert.ok(store.engine.segments.freeFiles <= RESERVE_SEGMENTS);
  disk.losePower();
  const again = new TestEngine(disk, { segments: 8 });
  for (let page = 0; page < 4; page++) assert.notEqual(again.get(page), 'damaged');
});

test('after a sync that failed every change is refused as a fault, reads go on, and a start makes it good', () => {
  const { disk, store, durability } = onDisk();
  const outcomes: CommitOutcome[] = [];
  assert.ok(store.store(0, raw(0, 1)));
  durability.sync((outcome) => outcomes.push(outcome));
  assert.ok(store.store(1, raw(1, 1)));
  durability.sync((outcome) => outcomes.push(outcome));
  disk.endSync('fault');
  durability.sync((outcome) => outcomes.push(outcome));
  assert.deepEqual(outcomes, [CommitOutcome.fault, CommitOutcome.fault, CommitOutcome.fault]);
  assert.equal(disk.isSyncing, false);
  assert.equal(
    durability.mustWait(() => {}),
    false,
  );
  store.put(2, raw(2, 1));
  assert.equal(store.engine.commit(), CommitOutcome.fault);
  store.flush(0);
  assert.equal(store.engine.commit(), CommitOutcome.fault);
  assert.equal(store.get(2), 'missing');
  assert.deepEqual(store.get(0), raw(0, 1));
  assert.equal(store.engine.failedSyncs, 1);
  // The kernel would let the next sync succeed: so what no sync has vouched for is written again.
  const second = new TestEngine(disk);
  assert.deepEqual(second.get(1), raw(1, 1));
  disk.losePower();
  const third = new TestEngine(disk);
  for (const page of [0, 1]) assert.deepEqual(third.get(page), raw(page, 1));
});

test('a batch that was taken back does not come again by a power loss after a sync', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { disk, store, durability } = onDisk({}, seed);
    assert.ok(store.store(0, raw(0, 1)));
    durability.sync(() => {});
    disk.endSync('done');
    store.put(1, raw(1, 1));
    store.put(2, raw(2, 1));
    failNextWrite(disk);
    assert.equal(store.engine.commit(), CommitOutcome.full);
    let isSynced = false;
    durability.sync(() => (isSynced = true));
    if (!isSynced) disk.endSync('done');
    disk.losePower();
    const again = new TestEngine(disk);
    assert.deepEqual([again.get(0), again.get(1), again.get(2)], [raw(0, 1), 'missing', 'missing'], `seed ${seed}`);
  }
});

test('a clean stop outlives a power loss', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { disk, store } = onDisk({ segments: 20 }, seed);
    for (let page = 0; page < 30; page++) {
      while (store.engine.durability!.mustWait(() => {})) disk.endSync('done');
      assert.ok(store.store(page, raw(page, seed)));
    }
    store.engine.close();
    disk.losePower();
    const again = new TestEngine(disk, { segments: 20 });
    assert.equal(again.recovered.droppedRecords, 0);
    for (let page = 0; page < 30; page++) assert.deepEqual(again.get(page), raw(page, seed));
  }
});

test('what a sync vouched for and cannot be read is damage; what none did is the end of the log', () => {
  for (const isKnown of [true, false]) {
    const { disk, store, durability } = onDisk();
    for (let page = 0; page < 3; page++) assert.ok(store.store(page, raw(page, 1)));
    durability.sync(() => {});
    disk.endSync('done');
    // The next write is what says that there was a sync.
    if (isKnown) assert.ok(store.store(5, raw(5, 1)));
    const { slot } = store.engine.segments.inUse()[0]!;
    breakHeaderOf(disk, slot, 1);
    if (isKnown) {
      assert.throws(
        () => new TestEngine(disk),
        (error: unknown) => error instanceof TmemError && error.code === 'E_ARENA_DAMAGED',
      );
    } else {
      const again = new TestEngine(disk);
      assert.deepEqual(again.get(0), raw(0, 1));
      assert.deepEqual([again.get(1), again.get(2)], ['missing', 'missing']);
      assert.ok(again.recovered.droppedRecords > 0);
    }
  }
});

test('what a power loss has cut is said once, and is no part of what is written in its place', () => {
  const { disk, store, durability } = onDisk();
  assert.ok(store.store(0, raw(0, 1)));
  durability.sync(() => {});
  disk.endSync('done');
  for (let page = 1; page < 4; page++) assert.ok(store.store(page, raw(page, 1)));
  breakHeaderOf(disk, store.engine.segments.inUse()[0]!.slot, 1);
  const second = new TestEngine(disk);
  assert.equal(second.recovered.droppedRecords, 2);
  // As long as what is missing, so that it ends where the next one stood.
  assert.ok(second.store(7, raw(7, 1)));
  const third = new TestEngine(disk);
  assert.equal(third.recovered.droppedRecords, 0);
  assert.deepEqual([third.get(2), third.get(3)], ['missing', 'missing']);
  assert.deepEqual(third.get(7), raw(7, 1));
});

test('of a batch that failed and the one that came after it a power loss does not leave the first half and the second', () => {
  const files = new FailingDisk();
  const store = new TestEngine(files);
  assert.ok(store.store(0, raw(0, 1)));
  const [refused, taken] = [1, 2].map((version) => [raw(1, version), raw(2, version)]);
  for (const [n, page] of refused!.entries()) assert.ok(store.put(1 + n, page));
  files.isFailing = true;
  assert.equal(store.commit(), false);
  while (store.engine.durability!.mustWait(() => {})) files.endSync();
  for (const [n, page] of taken!.entries()) assert.ok(store.put(1 + n, page));
  assert.ok(store.commit());
  // The sectors of the first record that failed are as they were then.
  const { slot, at, bytes } = files.failed!;
  files.fileOf(slot).set(bytes, at);
  const again = new TestEngine(files);
  const [first, second] = [again.get(1), again.get(2)];
  assert.deepEqual(first, refused![0], 'it has come back');
  assert.equal(second, 'missing', 'and nothing behind it');
});

test('an arena is taken from tmpfs to a disk and back as it is', () => {
  const memory = new MemorySegmentFiles();
  const first = new TestEngine(memory);
  for (let page = 0; page < 40; page++) assert.ok(first.store(page % 12, raw(page % 12, page)));
  const disk = new PowerLossFiles(seededPrng(1));
  copy(memory, disk);
  const second = new TestEngine(disk);
  const expectAll = (store: TestEngine, from: number): void => {
    for (let page = 0; page < 12; page++) {
      const version = Array.from({ length: 40 }, (_, n) => from + n).findLast((each) => each % 12 === page)!;
      assert.deepEqual(store.get(page), raw(page, version));
    }
  };
  expectAll(second, 0);
  for (let page = 48; page < 88; page++) {
    while (second.engine.durability!.mustWait(() => {})) disk.endSync('done');
    assert.ok(second.store(page % 12, raw(page % 12, page)));
  }
  const back = new MemorySegmentFiles();
  copy(disk, back);
  const third = new TestEngine(back);
  expectAll(third, 48);
  for (let page = 96; page < 136; page++) assert.ok(third.store(page % 12, raw(page % 12, page)));
  // What the disk has said of being synced is not true of what came on tmpfs.
  const again = new PowerLossFiles(seededPrng(2));
  copy(back, again);
  expectAll(new TestEngine(again), 96);
});

/** A disk of which one write fails when it has written its first record. */
class FailingDisk extends MemorySegmentFiles {
  readonly syncing: FilesSync = { begin: (done) => (this.#done = done), now: () => {} };
  #done: ((error: unknown) => void) | undefined;
  isFailing = false;
  failed: { slot: SegmentSlot; at: number; bytes: Uint8Array } | undefined;

  endSync(): void {
    this.#done?.(undefined);
  }

  override write(slot: SegmentSlot, at: number, from: Uint8Array, offset: number, length: number): void {
    if (!this.isFailing) return super.write(slot, at, from, offset, length);
    this.isFailing = false;
    super.write(slot, at, from, offset, length >> 1);
    this.failed = { slot, at, bytes: from.slice(offset, offset + (length >> 1)) };
    throw Object.assign(new Error('asked for'), { code: 'EIO' });
  }
}

function onDisk(
  options: { segments?: number } = {},
  seed = 1,
): { disk: PowerLossFiles; store: TestEngine; durability: Durability } {
  const disk = new PowerLossFiles(seededPrng(seed));
  const store = new TestEngine(disk, options);
  return { disk, store, durability: store.engine.durability! };
}

/** When two thirds of it are written. */
function failNextWrite(files: SegmentFiles): void {
  const write = files.write.bind(files);
  files.write = (slot, at, from, offset, length): void => {
    files.write = write;
    write(slot, at, from, offset, Math.floor((2 * length) / 3));
    throw Object.assign(new Error('asked for'), { code: 'ENOSPC' });
  };
}

function copy(from: SegmentFiles, to: SegmentFiles): void {
  for (const { slot, bytes } of from.list()) {
    const content = new Uint8Array(bytes);
    from.read(slot, 0, content, 0, bytes);
    to.create(slot, bytes);
    to.write(slot, 0, content, 0, bytes);
  }
}

/** More than one byte, so that it cannot be repaired, of the raw record of this page. */
function breakHeaderOf(files: SegmentFiles, slot: SegmentSlot, page: number): void {
  const content = Buffer.alloc(TEST_SEGMENT_BYTES);
  files.read(slot, 0, content, 0, content.length);
  for (let at = 128; at < content.length; at += 16) {
    if (content[at + 6] !== RecordKind.pageRaw || content.readUInt32LE(at + 12) !== page) continue;
    files.write(segmentSlot(slot), at, Buffer.alloc(8, 0xee), 0, 8);
    return;
  }
  throw new Error('the page has a record');
}
