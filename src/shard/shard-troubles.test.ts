import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSmallStore, writeVersion } from '../../test/support/small-store.js';
import { pageIndex } from '../base/ids.js';
import type { Engine } from '../engine/engine.js';
import { SegmentState } from '../engine/segment-table.js';
import { MemorySegmentFiles, NoSpaceError } from '../io/memory-segment-files.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import type { Tmem } from '../tmem/tmem.js';
import { shardTroubles } from './shard-troubles.js';
import { TroubleWatch } from './trouble-watch.js';

test('a shard where all goes well has nothing to tell', () => {
  const { put, told } = watchedStore();
  for (let index = 0; index < 50; index++) put(index);
  assert.deepEqual(told(), { lines: [], codes: [] });
});

test('a page that fails verification is told, with whose it is, and stays a warning when it is written again', () => {
  const { put, get, told, damageAll } = watchedStore();
  put(0);
  damageAll();
  get(0);
  get(0);
  const { lines, codes } = told();
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^error: 2 reads of vm\/s found a page that is not what was stored/);
  assert.deepEqual(codes, ['damaged-pages']);
  put(0);
  assert.deepEqual(told().codes, ['damaged-pages']);
});

test('pages refused for lack of room are told, until pages are taken again', () => {
  const { put, told, tmem } = watchedStore();
  const client = tmem.client('vm');
  put(0);
  client.capBytes = client.storedBytes;
  for (let index = 1; index < 4; index++) put(index);
  const { lines, codes } = told();
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^warn: 3 pages of vm\/s were refused for lack of room/);
  assert.deepEqual(codes, ['pages-refused']);
  client.capBytes = Infinity;
  put(1);
  assert.deepEqual(told(), { lines: [], codes: [] });
});

test('pages refused because the guest is frozen are told as such, not as a lack of room, until pages are taken again', () => {
  const { put, told, tmem } = watchedStore();
  const client = tmem.client('vm');
  client.frozen = true;
  for (let index = 0; index < 4; index++) put(index);
  const { lines, codes } = told();
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^warn: 4 new pages of vm\/s were refused because the guest is frozen/);
  assert.deepEqual(codes, ['pages-frozen']);
  client.frozen = false;
  put(1);
  assert.deepEqual(told(), { lines: [], codes: [] });
});

test('a put that is staged is not refused yet', () => {
  const { stage, told, tmem } = watchedStore();
  stage(0);
  assert.deepEqual(told(), { lines: [], codes: [] });
  tmem.commit();
});

test('a batch that the files refuse is told', () => {
  const { put, told, files } = watchedStore();
  put(0);
  files.refusesWrites = true;
  put(1);
  const { lines, codes } = told();
  assert.deepEqual(codes, ['pages-refused', 'writes-failed']);
  assert.match(lines[1]!, /^error: 1 writes to the arena failed/);
});

test('pages that were lost to an I/O error were not refused for lack of room', () => {
  const { put, told, files } = watchedStore();
  put(0);
  files.refusesWrites = true;
  files.refusal = Object.assign(new Error('as it was asked'), { code: 'EIO' });
  put(1);
  const { lines, codes } = told();
  assert.deepEqual(codes, ['writes-failed']);
  assert.match(lines[0]!, /^error: 1 writes to the arena failed/);
});

test('a segment that is set aside is told', () => {
  const { put, told, engine } = watchedStore();
  for (let index = 0; index < 40; index++) put(index);
  const { segments } = engine;
  const sealed = segments.inUse().find(({ slot }) => segments.stateOf(slot) === SegmentState.sealed);
  segments.setAside(sealed!.slot);
  const { lines, codes } = told();
  assert.deepEqual(codes, ['segments-aside']);
  assert.match(lines[0]!, /^error: 1 segments of the arena .* the next start will refuse it/);
});

/** Files that refuse the next write, once. */
class RefusingFiles extends MemorySegmentFiles {
  refusesWrites = false;
  refusal: Error = new NoSpaceError('as it was asked');

  override write(...args: Parameters<MemorySegmentFiles['write']>): void {
    if (this.refusesWrites) {
      this.refusesWrites = false;
      throw this.refusal;
    }
    super.write(...args);
  }
}

interface WatchedStore {
  readonly files: RefusingFiles;
  readonly engine: Engine;
  readonly tmem: Tmem;
  readonly stage: (index: number) => void;
  readonly put: (index: number) => void;
  readonly get: (index: number) => void;
  readonly damageAll: () => void;
  /** Lines since the last look, and the codes of the warnings that stand. */
  readonly told: () => { lines: string[]; codes: string[] };
}

/** A small store with one export, vm/s, and a watch that is looked at once an hour. */
function watchedStore(): WatchedStore {
  const files = new RefusingFiles();
  const { tmem, engine, kernel, source, target } = openSmallStore(files);
  const client = tmem.client('vm');
  const pool = client.pools[tmem.createPool(client, 's', PERSISTENT_PRIVATE)]!;
  const spec = { guest: 'vm', name: 's', sizeBytes: 4096, socket: '/s', spill: null, domain: null };
  let lines: string[] = [];
  let nowUs = 0;
  const watch = new TroubleWatch(
    shardTroubles(engine, tmem, () => [{ spec, pool }]),
    (level, text) => lines.push(`${level}: ${text}`),
  );
  const stage = (index: number): void => {
    writeVersion(kernel, source, index, 'random');
    pool.replace(0n, pageIndex(index), source);
  };
  return {
    files,
    engine,
    tmem,
    stage,
    put: (index) => {
      stage(index);
      tmem.commit();
    },
    get: (index) => pool.get(0n, pageIndex(index), target),
    damageAll: () => {
      for (const { slot, bytes } of files.list()) files.fileOf(slot).fill(0x55, bytes / 64);
    },
    told: () => {
      nowUs += 3600e6;
      watch.report(nowUs);
      const codes = watch.warnings(nowUs).map(({ code }) => code);
      const since = lines;
      lines = [];
      return { lines: since, codes };
    },
  };
}
