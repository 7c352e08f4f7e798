import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssertionError } from '../base/assert.js';
import { loadKernel } from './kernel.js';

const MEMORY_BYTES = 256 * 1024;

test('the memory is as large as asked for, and one', () => {
  const kernel = loadKernel({ memoryBytes: MEMORY_BYTES });
  assert.equal(kernel.bytes.length, MEMORY_BYTES);
  assert.equal(kernel.view.buffer, kernel.bytes.buffer);
  assert.equal(loadKernel({ memoryBytes: MEMORY_BYTES + 1 }).bytes.length, MEMORY_BYTES + 65536);
});

test('regions are aligned, apart by their slack, and above what the kernel needs', () => {
  const kernel = loadKernel({ memoryBytes: MEMORY_BYTES });
  let end = 0;
  for (const bytes of [1, 64, 4096, 100, 0, 65]) {
    const region = kernel.allocate(bytes);
    assert.equal(region % 64, 0);
    assert.ok(region >= end + 64);
    end = region + bytes;
  }
});

test('a region that does not fit is an assertion, and one that just fits is not', () => {
  const kernel = loadKernel({ memoryBytes: MEMORY_BYTES });
  const first = kernel.allocate(0);
  assert.throws(() => loadKernel({ memoryBytes: MEMORY_BYTES }).allocate(MEMORY_BYTES), AssertionError);
  const rest = MEMORY_BYTES - (first + 64) - 64;
  assert.equal(kernel.allocate(rest), first + 64);
  assert.throws(() => kernel.allocate(0), AssertionError);
});
