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
  /** Its pages may leave for a file. */
  readonly spills: boolean;
  /** Equal pages within it share. */
  readonly domain: string | undefined;
}

const SHARED_UUID = 77n;

export const POOLS: readonly PoolKind[] = [
  persistent('vm1', 'a', { spills: true }),
  persistent('vm1', 'b', { domain: 'tenant' }),
  persistent('vm2', 'a', { spills: true }),
  persistent('vm2', 'b', { domain: 'tenant' }),
  ephemeral(['vm1'], 'cache', EPHEMERAL_PRIVATE, false),
  ephemeral(['vm2'], 'cache', EPHEMERAL_PRIVATE, true),
  ephemeral(['vm3', 'vm4'], 'base', EPHEMERAL_SHARED, false),
];

function persistent(
  client: string,
  name: string,
  { spills = false, domain }: Partial<Pick<PoolKind, 'spills' | 'domain'>>,
): PoolKind {
  return { clients: [client], name, flags: PERSISTENT_PRIVATE, inclusive: false, spills, domain };
}

function ephemeral(clients: readonly string[], name: string, flags: number, inclusive: boolean): PoolKind {
  return { clients, name, flags, inclusive, spills: false, domain: undefined };
}

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

/** Versions that pools of a domain put again and again; all others are put once. */
export const COMMON_VERSIONS = 60;

const TEXTURES: readonly Texture[] = ['filled', 'compressible', 'random'];

/** A version tells how its page compresses. */
export function textureOf(version: number): Texture {
  return TEXTURES[version % TEXTURES.length]!;
}

/** What happened, and how often. */
export function noCounts(): Record<
  'overCap' | 'full' | 'frozen' | 'taken' | 'vanished' | 'failed' | 'failedInPart' | 'destroyed' | 'restarts' | 'later',
  number
> {
  return {
    overCap: 0,
    full: 0,
    frozen: 0,
    taken: 0,
    vanished: 0,
    failed: 0,
    failedInPart: 0,
    destroyed: 0,
    restarts: 0,
    later: 0,
  };
}
