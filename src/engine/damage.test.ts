/**
 * Whatever happens to the files from outside, a page reads as it was stored, or as damaged, or the arena is refused:
 * never as it once was, never as another's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEST_SEGMENT_BYTES, TestEngine } from '../../test/support/test-engine.js';
import { UnreadableFiles } from '../../test/support/unreadable-files.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { TmemError } from '../base/errors.js';
import { segmentSlot, type SegmentSlot } from '../base/ids.js';
import { type Prng, seededPrng } from '../base/prng.js';
import { isTombstone, RECORD_ALIGNMENT, RECORD_HEADER_BYTES, RecordField, RecordKind } from './record.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';

const SEEDS = Number(process.env['TMEM_SEEDS'] ?? 2500);
const FIRST = Number(process.env['TMEM_SEED'] ?? 1);
const PAGES = 48;
const SEGMENTS = 8;
/** Damaged differently so many times before the next arena is made. */
const DAMAGES_PER_ARENA = 25;

/** The version each page has; 0: none. */
type Model = number[];

interface Counts {
  refused: number;
  damagedPages: number;
  untouched: number;
}

/** What is in the files, to be damaged again and again. `kept`: bytes that no damage may touch. */
interface Arena {
  readonly model: Model;
  readonly files: Map<number, Uint8Array>;
  readonly kept: { readonly slot: number; readonly at: number }[];
}

for (const [how, make] of [
  ['was stopped', stoppedArena],
  ['was killed, before its last write', killedArena],
] as const) {
  test(`no damage to an arena that ${how} makes a page read as it is not (${SEEDS} seeds)`, (t) => {
    const counts: Counts = { refused: 0, damagedPages: 0, untouched: 0 };
    let arena = make(seededPrng(0));
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      if ((seed - FIRST) % DAMAGES_PER_ARENA === 0) arena = make(seededPrng(Math.floor(seed / DAMAGES_PER_ARENA)));
      try {
        damageOnce(arena, seededPrng(seed), counts);
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    t.diagnostic(JSON.stringify(counts));
    // Damage that never shows, or always ends the arena, would prove nothing.
    if (SEEDS > 1000) for (const count of Object.values(counts)) assert.ok(count > SEEDS / 100);
  });
}

test(`no damage while the store runs and cleans makes a page read as it is not, then or later (${SEEDS} seeds)`, (t) => {
  const counts: Counts = { refused: 0, damagedPages: 0, untouched: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS / 5; seed++) {
    try {
      damageAtRunTime(seededPrng(seed), counts);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  t.diagnostic(JSON.stringify(counts));
});

function damageOnce(arena: Arena, prng: Prng, counts: Counts): void {
  const files = filesOf(arena.files);
  const what = damage(files, prng);
  if (arena.kept.length > 0 && !isLeft(arena, files)) return;
  const model = [...arena.model];
  const store = openUnlessRefused(files, counts);
  if (store === undefined) return;
  const bad = verify(store, model, what);
  counts.damagedPages += bad.size;
  if (bad.size === 0) counts.untouched++;
  if (prng.below(4) > 0) return;
  // Life goes on, segments are cleaned: what is damaged stays damaged until it is written or flushed.
  churn(store, model, prng, 60, bad);
  verify(store, model, what, bad);
  if (prng.below(2) === 0) store.engine.close();
  const again = openUnlessRefused(files, counts);
  if (again !== undefined) verify(again, model, `${what}, a life later`, bad);
}

function damageAtRunTime(prng: Prng, counts: Counts): void {
  const files = new UnreadableFiles();
  const store = new TestEngine(files, { segments: SEGMENTS });
  const model: Model = Array.from({ length: PAGES }, () => 0);
  churn(store, model, prng, 150);
  const what = prng.below(3) === 0 ? wipeTombstones(files, prng) : damage(files, prng);
  const bad = verify(store, model, what);
  counts.damagedPages += bad.size;
  if (bad.size === 0) counts.untouched++;
  // A header that is damaged now may be the next victim's, or be written over.
  churn(store, model, prng, 100, bad);
  for (const page of verify(store, model, what, bad)) bad.add(page);
  if (prng.below(2) === 0) store.engine.close();
  const again = openUnlessRefused(files, counts);
  if (again !== undefined) verify(again, model, `${what}, a life later`, bad);
}

/**
 * After a death the last write must be whole, or the log may as well end before it; and a file of zeros, or without a
 * byte, cannot be told from one that was just being made.
 */
function isLeft(arena: Arena, files: UnreadableFiles): boolean {
  for (const { slot, at } of arena.kept) {
    const file = files.fileOf(segmentSlot(slot));
    if (at >= file.length) return false;
    file[at] = arena.files.get(slot)![at]!;
  }
  return files.list().every(({ slot }) => {
    const file = files.fileOf(slot);
    const isUsed = (byte: number): boolean => byte !== 0;
    return file.length > 0 && (file.subarray(128).some(isUsed) || !arena.files.get(slot)!.some(isUsed));
  });
}

/** Every page is right or in `allowed` and damaged. @returns the damaged ones. Without `allowed` any page may be. */
function verify(store: TestEngine, model: Model, what: string, allowed?: Set<number>): Set<number> {
  const damaged = new Set<number>();
  for (const [page, version] of model.entries()) {
    const got = store.get(page);
    if (got === 'damaged') {
      damaged.add(page);
      assert.ok(version !== 0, `${what}: page ${page} was flushed and is damaged`);
    } else if (got === 'missing') {
      assert.equal(version, 0, `${what}: page ${page} is missing`);
    } else {
      assert.ok(version !== 0, `${what}: page ${page} is back`);
      assert.ok(got.equals(versionedPage(page, version)), `${what}: page ${page} is not version ${version}`);
    }
  }
  if (allowed !== undefined) for (const page of allowed) if (!damaged.has(page)) allowed.delete(page);
  return damaged;
}

function openUnlessRefused(files: UnreadableFiles, counts: Counts): TestEngine | undefined {
  try {
    return new TestEngine(files, { segments: SEGMENTS });
  } catch (error) {
    if (!(error instanceof TmemError)) throw error;
    assert.ok(error.code === 'E_ARENA_DAMAGED' || error.code === 'E_ARENA_VERSION', error.message);
    assert.ok(!error.message.includes('\n'));
    counts.refused++;
    return undefined;
  }
}

/** One thing that a broken machine, or somebody's hand, does to a file. @returns what */
function damage(files: UnreadableFiles, prng: Prng): string {
  const all = files.list();
  const { slot, bytes } = all[prng.below(all.length)]!;
  const file = files.fileOf(slot);
  const at = prng.below(4) === 0 ? prng.below(256) : prng.below(bytes);
  const where = `segment ${slot} at ${at}`;
  switch (prng.below(9)) {
    case 0:
    case 1:
      file[at]! ^= 1 << prng.below(8);
      return `bit flipped in ${where}`;
    case 2:
      file[at] = prng.below(256);
      return `byte overwritten in ${where}`;
    case 3: {
      const length = 2 + prng.below(30);
      for (let each = at; each < at + length; each++) file[each] = prng.below(256);
      return `${length} bytes of noise in ${where}`;
    }
    case 4: {
      const length = 1 + prng.below(64);
      file.fill(0, at, at + length);
      return `${length} bytes zeroed in ${where}`;
    }
    case 5: {
      const length = 1 + prng.below(TEST_SEGMENT_BYTES);
      file.fill(0, at, at + length);
      return `${length} bytes zeroed in ${where}`;
    }
    case 6: {
      const start = at - (at % 4096);
      file.fill(prng.below(2) * 0xff, start, start + 4096);
      return `a page wiped in segment ${slot} at ${start}`;
    }
    case 7:
      files.spoil(slot, at);
      return `a block that cannot be read in ${where}`;
    default:
      files.resize(slot, at);
      return `segment ${slot} cut to ${at}`;
  }
}

/** What the index remembers and the files do not any more: the way back for pages that were flushed. */
function wipeTombstones(files: UnreadableFiles, prng: Prng): string {
  const all = files.list();
  const { slot } = all[prng.below(all.length)]!;
  wipeTombstonesIn(files, slot);
  return `tombstones wiped in segment ${slot}`;
}

function wipeTombstonesIn(files: UnreadableFiles, slot: SegmentSlot): void {
  const file = files.fileOf(slot);
  for (let at = SEGMENT_HEADER_BYTES; at < file.length; at += RECORD_ALIGNMENT) {
    const hasPayload = file[at + RecordField.payloadBytes] !== 0 || file[at + RecordField.payloadBytes + 1] !== 0;
    if (!hasPayload && isTombstone(file[at + RecordField.kind]!)) file.fill(0, at, at + RECORD_HEADER_BYTES);
  }
}

function stoppedArena(prng: Prng): Arena {
  const { files, store, model } = freshArena(prng);
  store.engine.close();
  return { model, files: copyOf(files), kept: [] };
}

/**
 * Not stopped: behind the last good record a tear and damage look alike, so the last write is left alone. What damage
 * to that can do is no more than what a death before it does.
 */
function killedArena(prng: Prng): Arena {
  const { files, store, model } = freshArena(prng);
  const before = copyOf(files);
  model[0] = model[0]! + 4;
  assert.ok(store.store(0, versionedPage(0, model[0])));
  const after = copyOf(files);
  const kept = [];
  for (const [slot, file] of after) {
    const old = before.get(slot);
    const changed = [...file.keys()].filter((at) => old?.[at] !== file[at]);
    // Bytes of the record that happen to be what they were, its padding too, are part of the write.
    const [first = 0, last = -64] = [changed[0], changed.at(-1)];
    for (let at = first - (first % RECORD_ALIGNMENT); at < Math.min(last + 64, file.length); at++)
      kept.push({ slot, at });
  }
  return { model, files: after, kept };
}

function freshArena(prng: Prng): { files: UnreadableFiles; store: TestEngine; model: Model } {
  const files = new UnreadableFiles();
  const store = new TestEngine(files, { segments: SEGMENTS });
  const model: Model = Array.from({ length: PAGES }, () => 0);
  churn(store, model, prng, 100 + prng.below(300));
  return { files, store, model };
}

function copyOf(files: UnreadableFiles): Map<number, Uint8Array> {
  return new Map(files.list().map(({ slot }) => [slot, files.fileOf(slot).slice()]));
}

function filesOf(copy: Map<number, Uint8Array>): UnreadableFiles {
  const files = new UnreadableFiles();
  for (const [slot, bytes] of copy) {
    files.create(segmentSlot(slot), bytes.length);
    files.fileOf(segmentSlot(slot)).set(bytes);
  }
  return files;
}

/** Puts, flushes and upkeep, in batches. What is written or flushed is no longer `bad`. */
function churn(store: TestEngine, model: Model, prng: Prng, operations: number, bad?: Set<number>): void {
  const staged = new Map<number, number>();
  const commit = (): void => {
    if (store.commit()) {
      for (const [page, version] of staged) {
        model[page] = version;
        bad?.delete(page);
      }
    }
    staged.clear();
  };
  for (let operation = 0; operation < operations; operation++) {
    const page = prng.below(PAGES);
    switch (prng.below(12)) {
      case 0:
        store.flush(page);
        staged.set(page, 0);
        break;
      case 1: {
        const count = 1 + prng.below(Math.min(6, PAGES - page));
        store.flush(page, count);
        for (let each = page; each < page + count; each++) staged.set(each, 0);
        break;
      }
      case 2:
        commit();
        for (let steps = prng.below(3); steps > 0; steps--) store.engine.maintain(0.1, true);
        store.engine.catchUp();
        break;
      default: {
        const version = 1 + prng.below(1_000_000);
        if (store.put(page, versionedPage(page, version))) staged.set(page, version);
      }
    }
    if (prng.below(3) === 0) commit();
  }
  commit();
}

for (const last of ['a tombstone', 'a page'] as const) {
  test(`what stands before a seal was written whole: ${last} that is damaged there is no torn write`, () => {
    const files = new UnreadableFiles();
    const first = new TestEngine(files, { segments: SEGMENTS });
    assert.ok(first.store(0, versionedPage(0, 1)));
    if (last === 'a page') assert.ok(first.store(0, versionedPage(0, 5)));
    else first.flush(0);
    assert.ok(first.commit());
    first.engine.close();
    // A life that writes nothing wipes the marks of the closed log, and its death leaves the seal as all there is.
    assert.equal(new TestEngine(files, { segments: SEGMENTS }).has(0), last === 'a page');
    const { slot } = first.engine.segments.inUse()[0]!;
    const file = files.fileOf(slot);
    const at = last === 'a page' ? file.findLastIndex((byte) => byte !== 0) - 100 : indexOfTombstone(file);
    file[at]! ^= 1;
    const counts: Counts = { refused: 0, damagedPages: 0, untouched: 0 };
    const again = openUnlessRefused(files, counts);
    if (again !== undefined) assert.equal(again.get(0), last === 'a page' ? 'damaged' : 'missing');
  });
}

function indexOfTombstone(file: Uint8Array): number {
  for (let at = SEGMENT_HEADER_BYTES; at < file.length; at += RECORD_ALIGNMENT) {
    if (file[at + RecordField.kind] === RecordKind.flushPage && file[at + RecordField.payloadBytes] === 0) return at;
  }
  throw new Error('there is a tombstone');
}

test('a page that was flushed does not come back when its damaged tombstone has been cleaned away', () => {
  const files = new UnreadableFiles();
  const store = new TestEngine(files, { segments: SEGMENTS });
  const raw = (page: number, version: number): boolean => store.store(page, versionedPage(page, 1 + 4 * version));
  // The first segment holds page 0 and others that stay; the flush stands in a later one, with what is overwritten.
  for (let page = 0; page < 9; page++) raw(page, 1);
  store.flush(0);
  assert.ok(store.commit());
  const { segments } = store.engine;
  const withTombstone = files.list().find(({ slot }) => segments.keptBytesOf(slot) % 4128 === 32)!.slot;
  wipeTombstonesIn(files, withTombstone);
  for (let round = 2; round < 40 && segments.filesAside === 0; round++) {
    for (let page = 7; page < 13; page++) raw(page, round);
    store.engine.maintain(0.5, true);
  }
  assert.equal(store.get(0), 'missing');
  assert.equal(segments.filesAside, 1);
  store.engine.close();
  const counts: Counts = { refused: 0, damagedPages: 0, untouched: 0 };
  assert.equal(openUnlessRefused(files, counts)?.get(0), undefined);
  assert.equal(counts.refused, 1);
});
