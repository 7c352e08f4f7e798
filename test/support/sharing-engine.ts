/** An engine whose pools share, for tests of what sharing promises. */
import assert from 'node:assert/strict';
import { pageIndex } from '../../src/base/ids.js';
import type { SegmentFiles } from '../../src/base/segment-files.js';
import type { Engine } from '../../src/engine/engine.js';
import { GetOutcome } from '../../src/engine/get-outcome.js';
import type { Kernel } from '../../src/engine/kernel.js';
import type { PutOutcome } from '../../src/engine/put-outcome.js';
import type { RecoveredLog } from '../../src/engine/recovery.js';
import type { StoredObject } from '../../src/engine/stored-object.js';
import { MemorySegmentFiles } from '../../src/io/memory-segment-files.js';
import { TestEngine } from './test-engine.js';
import { versionedPage } from './versioned-page.js';

/** A mark's record. */
export const MARK: number = 48;

/** A page of its own for each number: incompressible, compressible, nearly empty, and never same-filled. */
export function content(number: number): Buffer {
  return versionedPage(number, 4 * number + 1 + (number % 3));
}

/** What the content takes alone in a record. */
export function contentBytes(number: number): number {
  const store = new TestEngine(new MemorySegmentFiles());
  store.store(0, content(number));
  return store.object.pool.storedBytes;
}

/** An engine with objects `a` and `b` in pools of one domain unless said otherwise, and others in none. */
export class Sharing {
  readonly engine: Engine;
  readonly recovered: RecoveredLog;
  readonly #store: TestEngine;
  readonly #domains: Readonly<Record<string, string>>;
  readonly #objects = new Map<string, StoredObject>();

  constructor(
    files: SegmentFiles,
    domains: Readonly<Record<string, string>> = { a: 'tenant', b: 'tenant' },
    kernel?: Kernel,
  ) {
    this.#store = new TestEngine(files, { segments: 16, ...(kernel && { kernel }) });
    this.engine = this.#store.engine;
    this.recovered = this.#store.recovered;
    this.#domains = domains;
    for (const pool of this.engine.pools) for (const object of pool.objects) this.#adopt(object);
  }

  object(name: string): StoredObject {
    const known = this.#objects.get(name);
    if (known !== undefined) return known;
    const bytes = new TextEncoder().encode(name);
    return this.#adopt(this.engine.createObject(this.engine.createPool(bytes), bytes));
  }

  put(name: string, index: number, page: Uint8Array, room?: number): PutOutcome {
    this.#store.kernel.bytes.set(page, this.#store.page);
    return this.engine.put(this.object(name), pageIndex(index), this.#store.page, room);
  }

  get(name: string, index: number): Buffer | 'missing' | 'damaged' {
    const { kernel, page } = this.#store;
    const outcome = this.engine.get(this.object(name), pageIndex(index), page);
    if (outcome === GetOutcome.miss) return 'missing';
    if (outcome === GetOutcome.damaged) return 'damaged';
    return Buffer.from(kernel.bytes.subarray(page, page + 4096));
  }

  flush(name: string, index: number, count = 1): void {
    if (count === 1) this.engine.flushPage(this.object(name), pageIndex(index));
    else this.engine.flushRange(this.object(name), pageIndex(index), count);
  }

  /** With all its pages, at once. */
  destroy(name: string): void {
    this.engine.flushPool(this.object(name).pool);
    this.commit();
    this.engine.forgetObject(this.object(name));
    this.#objects.delete(name);
  }

  commit(): void {
    assert.ok(this.#store.commit());
    this.engine.catchUp();
  }

  storedBytes(name: string): number {
    return this.object(name).pool.storedBytes;
  }

  #adopt(object: StoredObject): StoredObject {
    const name = new TextDecoder().decode(object.name);
    this.#objects.set(name, object);
    const domain = this.#domains[name];
    if (domain !== undefined) this.engine.shareWithin(object.pool, domain);
    return object;
  }
}
