/** A whole store in memory: small segments, a page to write from, a page to read to. */
import { type Address, address } from '../../src/base/ids.js';
import type { SegmentBudget } from '../../src/base/segment-budget.js';
import type { SegmentFiles } from '../../src/base/segment-files.js';
import { KIB, MIB, PAGE_BYTES } from '../../src/base/units.js';
import type { Engine } from '../../src/engine/engine.js';
import { type Kernel, loadKernel } from '../../src/engine/kernel.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import { Tmem } from '../../src/tmem/tmem.js';

export interface SmallStore {
  readonly kernel: Kernel;
  readonly engine: Engine;
  readonly tmem: Tmem;
  /** Fill it with {@link writeVersion}. */
  readonly source: Address;
  readonly target: Address;
}

/** Recovers what is in `files`, if anything. */
export function openSmallStore(
  files: SegmentFiles = new MemorySegmentFiles(),
  options: { readonly segmentBytes?: number; readonly capacityBytes?: number; readonly budget?: SegmentBudget } = {},
): SmallStore {
  const kernel = loadKernel({ memoryBytes: 2 * MIB });
  const { segmentBytes = 64 * KIB, capacityBytes = 4 * MIB, budget } = options;
  const { engine } = openEngine(kernel, files, { segmentBytes, capacityBytes, budget, arena: { low: 1, high: 2 } });
  const tmem = new Tmem(engine, kernel);
  return { kernel, engine, tmem, source: kernel.allocate(PAGE_BYTES), target: kernel.allocate(PAGE_BYTES) };
}

/** How well a page of {@link writeVersion} compresses. */
export type Texture = 'filled' | 'compressible' | 'random';

/** A page that tells its version, each different in every byte that its texture lets differ. */
export function writeVersion(kernel: Kernel, to: Address, version: number, texture: Texture = 'compressible'): void {
  const { view } = kernel;
  const words = { filled: 0, compressible: 200, random: PAGE_BYTES / 4 }[texture];
  let state = Math.imul(version, 2654435761) >>> 0;
  for (let at = 0; at < PAGE_BYTES; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    view.setUint32(to + at, at < words * 4 ? state : version);
  }
  if (texture === 'filled') for (let at = 0; at < PAGE_BYTES; at += 8) view.setUint32(to + at, ~version);
}

export function pageAt(kernel: Kernel, at: Address): string {
  return Buffer.from(kernel.bytes.subarray(at, at + PAGE_BYTES)).toString('latin1');
}

/** What {@link writeVersion} writes, for comparison. */
export function pageOf(kernel: Kernel, scratch: Address, version: number, texture?: Texture): string {
  writeVersion(kernel, scratch, version, texture);
  return pageAt(kernel, scratch);
}

/** Outside the kernel's memory: no page can be there. */
export function badAddress(kernel: Kernel): Address {
  return address(kernel.bytes.length - PAGE_BYTES + 1);
}
