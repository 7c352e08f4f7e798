/** The pools of every kind, and the pages in them, that the store and the reference model are driven with. */
import assert from 'node:assert/strict';
import type { PageIndex } from '../../src/base/ids.js';
import { EPHEMERAL_PRIVATE, EPHEMERAL_SHARED, PERSISTENT_PRIVATE } from '../../src/tmem/pool-attributes.js';
import type { Tmem } from '../../src/tmem/tmem.js';
import type { TmemPool } from '../../src/tmem/tmem-pool.js';
import type { Texture } from './small-store.js';

export interface PoolKind {
  /** The shared pool has two, and they never die: what leaving takes along is a test of its own. */
  readonly clients: readonly string[];
  readonly name: string;
  readonly flags: number;
  readonly inclusive: boolean;
}

const SHARED_UUID = 77n;

export const POOLS: readonly PoolKind[] = [
  { clients: ['vm1'], name: 'a', flags: PERSISTENT_PRIVATE, inclusive: false },
  { clients: ['vm1'], name: 'b', flags: PERSISTENT_PRIVATE, inclusive: false },
  { clients: ['vm2'], name: 'a', flags: PERSISTENT_PRIVATE, inclusive: false },
  { clients: ['vm1'], name: 'cache', flags: EPHEMERAL_PRIVATE, inclusive: false },
  { clients: ['vm2'], name: 'cache', flags: EPHEMERAL_PRIVATE, inclusive: true },
  { clients: ['vm3', 'vm4'], name: 'base', flags: EPHEMERAL_SHARED, inclusive: false },
];

/** The pool as it is now; made, with its clients, where it is not there. */
export function poolIn(tmem: Tmem, { clients, name, flags, inclusive }: PoolKind): TmemPool {
  const found = tmem.poolNamed(tmem.client(clients[0]!), name);
  if (found !== undefined) return found;
  for (const member of clients) {
    const client = tmem.client(member);
    tmem.authorise(client, SHARED_UUID);
    // R66: it would get none.
    client.frozen = false;
    assert.ok(tmem.createPool(client, name, flags, { uuid: SHARED_UUID, inclusive }) >= 0);
  }
  return tmem.poolNamed(tmem.client(clients[0]!), name)!;
}

/** A page that the staged batch has to do with. */
export interface Touched {
  readonly which: number;
  readonly object: bigint;
  readonly index: PageIndex;
  readonly before: number | undefined;
  /** What it became in the batch, one after the other. */
  readonly versions: (number | undefined)[];
  /** It was put: if the batch fails, what was there is gone too (R15). */
  isPut: boolean;
}

const TEXTURES: readonly Texture[] = ['filled', 'compressible', 'random'];

/** A version tells how its page compresses. */
export function textureOf(version: number): Texture {
  return TEXTURES[version % TEXTURES.length]!;
}
