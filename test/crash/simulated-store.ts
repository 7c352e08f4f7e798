/** What the crash simulators drive: a few objects of a few pages each, whose contents tell which version they are. */
import type { Address } from '../../src/base/ids.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Kernel } from '../../src/engine/kernel.js';
import type { StoredObject, StoredPool } from '../../src/engine/stored-object.js';

/** Persistent ones; one more is ephemeral. */
export const POOLS = 2;
export const OBJECTS_PER_POOL = 2;
export const PAGES_PER_OBJECT = 16;

/** Which persistent pools share pages: none, all with one another, or each with itself. */
export type Sharing = 'none' | 'one domain' | 'domains';
export const SHARINGS: readonly Sharing[] = ['none', 'one domain', 'domains'];

/** A page's content is a function of its version, so a version is all that need be remembered. 0: no page. */
export type Version = number;

/** The engine, with objects found by page number, as the layer above finds them by name. */
export class Store {
  readonly engine: Engine;
  readonly #sharing: Sharing;

  constructor(engine: Engine, sharing: Sharing) {
    this.engine = engine;
    this.#sharing = sharing;
    for (const pool of engine.pools) this.#share(pool);
  }

  find(page: number): StoredObject | undefined {
    const name = String(Math.floor(page / PAGES_PER_OBJECT));
    const pool = this.#pool(page);
    return [...(pool?.objects ?? [])].find((object) => decode(object.name) === name);
  }

  object(page: number): StoredObject {
    const name = String(Math.floor(page / PAGES_PER_OBJECT));
    const pool = this.#pool(page) ?? this.#newPool(page);
    return this.find(page) ?? this.engine.createObject(pool, encode(name));
  }

  forget(page: number): void {
    this.engine.forgetObject(this.object(page));
  }

  forgetPool(page: number): void {
    for (const pool of this.engine.pools) {
      if (decode(pool.name) === poolName(page)) for (const object of pool.objects) this.engine.forgetObject(object);
    }
  }

  #newPool(page: number): StoredPool {
    const pool = this.engine.createPool(encode(poolName(page)), !isEphemeral(page));
    if (pool.isPersistent) this.#share(pool);
    return pool;
  }

  #share(pool: StoredPool): void {
    if (this.#sharing === 'none') return;
    this.engine.shareWithin(pool, this.#sharing === 'one domain' ? 'domain' : `domain of ${decode(pool.name)}`);
  }

  #pool(page: number): StoredPool | undefined {
    return [...this.engine.pools].find((pool) => decode(pool.name) === poolName(page));
  }
}

/** Whether the page is one of the pool behind the persistent ones. */
export function isEphemeral(page: number): boolean {
  return poolOf(page) === POOLS;
}

function poolOf(page: number): number {
  return Math.floor(page / (OBJECTS_PER_POOL * PAGES_PER_OBJECT));
}

function poolName(page: number): string {
  return `pool ${poolOf(page)}`;
}

function encode(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

function decode(name: Uint8Array): string {
  return new TextDecoder().decode(name);
}

/**
 * Which content a page that shares has, whichever page it is: the same for versions that are near, most for three of them,
 * every fourth for ten out of forty.
 */
export function sharedContentOf(version: Version): number {
  if (version === 0) return 0;
  return version % 4 === 3 ? 2 ** 24 + Math.floor(version / 40) : 1 + Math.floor(version / 3);
}

/** Same-filled, compressible and incompressible pages, each different in every version and place. */
export function fillPage(kernel: Kernel, to: Address, page: number, version: Version): void {
  const { view, bytes } = kernel;
  const kind = version % 4;
  if (kind === 0) {
    for (let at = 0; at < 4096; at += 8) {
      view.setUint32(to + at, version);
      view.setUint32(to + at + 4, page);
    }
    return;
  }
  bytes.fill(page, to, to + 4096);
  const noise = kind === 1 ? 4096 : 64 * (1 + (version % 23));
  let state = (version * 2654435761 + page) >>> 0;
  for (let at = 0; at < noise; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    view.setUint32(to + at, state);
  }
}
