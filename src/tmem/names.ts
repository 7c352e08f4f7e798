/** How pools and objects are called in the arena: opaque to the engine, and all that recovery has to go by. */

/** 192 bits, as the ABI's object ids (three 64-bit words). */
export type ObjectId = bigint;

export const OBJECT_ID_MAX: ObjectId = 2n ** 192n - 1n;

export interface PoolName {
  /** The client that owns the pool. */
  readonly client: string;
  readonly pool: string;
}

/**
 * JSON, so that a later version can add to it. At most 130 bytes with the longest names. Only names of persistent pools
 * get into the arena.
 */
export function encodePoolName({ client, pool }: PoolName, kind: 'persistent' | 'ephemeral'): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ client, pool, kind }));
}

/** Undefined where the bytes are no pool's name. */
export function decodePoolName(bytes: Uint8Array): PoolName | undefined {
  try {
    const name: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof name !== 'object' || name === null || !('client' in name) || !('pool' in name)) return undefined;
    const { client, pool } = name;
    return typeof client === 'string' && typeof pool === 'string' ? { client, pool } : undefined;
  } catch {
    return undefined;
  }
}

/** Big-endian without leading zeros; nothing at all for object 0. */
export function encodeObjectId(id: ObjectId): Uint8Array {
  const bytes = [];
  for (let rest = id; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  return Uint8Array.from(bytes.toReversed());
}

export function decodeObjectId(bytes: Uint8Array): ObjectId {
  return bytes.reduce((id, byte) => (id << 8n) | BigInt(byte), 0n);
}
