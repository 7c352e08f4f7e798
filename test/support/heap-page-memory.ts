import { address, type Address } from '../../src/base/ids.js';
import { assert } from '../../src/base/assert.js';
import type { PageMemory } from '../../src/base/page-memory.js';
import { MIB } from '../../src/base/units.js';

/** Page memory without a kernel, for tests of what only moves bytes through it. */
export function heapPageMemory(bytes: number = 4 * MIB): PageMemory {
  const memory = new Uint8Array(bytes);
  let free = 64;
  const allocate = (wanted: number): Address => {
    const at = free;
    free += Math.ceil((wanted + 64) / 64) * 64;
    assert(free <= bytes, 'test memory is large enough');
    return address(at);
  };
  return { bytes: memory, view: new DataView(memory.buffer), allocate };
}
