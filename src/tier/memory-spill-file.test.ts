import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededPrng } from '../base/prng.js';
import { PAGE_BYTES } from '../base/units.js';
import { MemorySpillFile, type SpillCall } from './memory-spill-file.js';

const [OLD, NEW] = [1, 2];
const SECTORS = (4 * PAGE_BYTES) / 512;

test('calls end when the test says so, in any order, and then take effect', () => {
  const { file, told, end } = manual();
  file.write(0, page(NEW), told('a'));
  file.write(1, page(NEW), told('b'));
  assert.equal(file.bytes.length, 0);
  end(1);
  assert.equal(file.pagesFound, 2);
  assert.equal(file.bytes[0], 0);
  end(0);
  assert.deepEqual(told.heard, ['b', 'a']);
  assert.equal(file.bytes[0], NEW);
});

test('who changes bytes before their write has ended is caught', () => {
  const { file, told, calls } = manual();
  const bytes = page(OLD);
  file.write(0, bytes, told('a'));
  bytes.fill(NEW);
  assert.throws(() => calls[0]!.end(), /file's until their write has ended/);
});

test('no call ends within itself', () => {
  const file = new MemorySpillFile(seededPrng(1), { onCall: (call) => call.end() });
  assert.throws(() => file.sync(() => {}), /no call ends within itself/);
});

test('a disk that is full takes what it has room for, and a slot that it has already', () => {
  const { file, told, end } = manual();
  file.roomPages = 2;
  file.write(1, page(OLD, 3), told('a'));
  end(0);
  assert.deepEqual([told.heard, file.pagesFound], [['a ENOSPC'], 2]);
  file.write(1, page(NEW), told('b'));
  end(1);
  assert.deepEqual([told.heard.at(-1), file.bytes[PAGE_BYTES]], ['b', NEW]);
});

test('of a write that fails, or dies with its process, any sector may be there', () => {
  for (const die of [
    (_: MemorySpillFile, call: SpillCall) => call.end('EIO'),
    (file: MemorySpillFile) => file.crash(),
  ]) {
    const seen = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const { file, told, calls, end } = manual(seed);
      file.write(0, page(OLD, 4), told('a'));
      end(0);
      file.write(0, page(NEW, 4), told('b'));
      die(file, calls[1]!);
      assert.ok(sectorsOf(file).every((value) => value === OLD || value === NEW));
      seen.add(sectorsOf(file).filter((value) => value === NEW).length);
      calls[1]!.end();
    }
    assert.ok(seen.has(0) && seen.has(SECTORS) && seen.size > 5);
  }
});

test('whoever died is told nothing', () => {
  const { file, told, calls } = manual();
  file.write(0, page(OLD), told('a'));
  file.sync(told('b'));
  file.crash();
  for (const call of calls) call.end();
  assert.deepEqual([told.heard, file.waiting.size], [[], 0]);
});

test('what was synced outlives a loss of power, of the rest any part does', () => {
  const lengths = new Set<number>();
  const seen = new Set<number>();
  for (let seed = 0; seed < 200; seed++) {
    const { file, told, calls, end } = manual(seed);
    file.write(0, page(OLD, 4), told('a'));
    end(0);
    file.sync(told('b'));
    file.write(1, page(NEW, 5), told('c'));
    end(2);
    end(1);
    file.losePower();
    assert.ok(file.bytes.length >= 4 * PAGE_BYTES);
    const sectors = sectorsOf(file);
    assert.ok(sectors.slice(0, 8).every((value) => value === OLD));
    assert.ok(sectors.slice(8, 32).every((value) => value === OLD || value === NEW));
    assert.ok(sectors.slice(32).every((value) => value === 0 || value === NEW));
    lengths.add(file.pagesFound);
    seen.add(sectors.filter((value) => value === NEW).length);
    assert.equal(calls.length, 3);
  }
  assert.deepEqual(
    [...lengths].toSorted((a, b) => a - b),
    [4, 6],
  );
  assert.ok(seen.has(0) && seen.has(40) && seen.size > 10);
});

test('a file that was emptied and not synced may come back, whole or as zeros', () => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const { file, told, end } = manual(seed);
    file.write(0, page(OLD, 4), told('a'));
    end(0);
    file.sync(told('b'));
    end(1);
    file.empty(told('c'));
    end(2);
    assert.equal(file.pagesFound, 0);
    file.losePower();
    lengths.add(file.pagesFound);
    assert.ok(sectorsOf(file).every((value) => value === OLD || value === 0));
  }
  assert.deepEqual(
    [...lengths].toSorted((a, b) => a - b),
    [0, 4],
  );
});

test('what a failed sync was to keep is never vouched for, by a good one that began before its end either', () => {
  let lost = 0;
  for (let seed = 0; seed < 50; seed++) {
    const { file, told, end } = manual(seed);
    file.sync(told('first'));
    file.write(0, page(NEW, 4), told('a'));
    end(1);
    file.sync(told('second'));
    end(0, 'EIO');
    end(2);
    assert.deepEqual(told.heard, ['a', 'first EIO', 'second']);
    assert.ok(sectorsOf(file).every((value) => value === NEW));
    file.losePower();
    if (sectorsOf(file).filter((value) => value === NEW).length < SECTORS) lost++;
  }
  assert.ok(lost > 5);
});

interface Told {
  (name: string): (error: Error | undefined) => void;
  heard: string[];
}

function manual(seed = 1): {
  file: MemorySpillFile;
  told: Told;
  calls: SpillCall[];
  readonly end: (call: number, fault?: 'EIO') => void;
} {
  const calls: SpillCall[] = [];
  const file = new MemorySpillFile(seededPrng(seed), { onCall: (call) => calls.push(call), losesPower: true });
  const heard: string[] = [];
  const tell = (name: string) => (error: Error | undefined) => {
    heard.push(error === undefined ? name : `${name} ${(error as { code?: string }).code}`);
  };
  return { file, told: Object.assign(tell, { heard }), calls, end: (call, fault) => calls[call]!.end(fault) };
}

function page(value: number, count = 1): Uint8Array {
  return new Uint8Array(count * PAGE_BYTES).fill(value);
}

/** One value each: none is a mixture. */
function sectorsOf({ bytes }: MemorySpillFile): number[] {
  return Array.from({ length: bytes.length / 512 }, (_, n) => {
    const sector = bytes.subarray(512 * n, 512 * (n + 1));
    assert.ok(sector.every((value) => value === sector[0]));
    return sector[0]!;
  });
}
