import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSmallStore } from '../../test/support/small-store.js';
import { decodeObjectId, decodePoolName, encodeObjectId, encodePoolName, OBJECT_ID_MAX } from './names.js';
import { EPHEMERAL_PRIVATE, PERSISTENT_PRIVATE } from './pool-attributes.js';

test('a pool is stored under its client, its name and its kind', () => {
  const { tmem } = openSmallStore();
  const client = tmem.client('vm1');
  const texts = [PERSISTENT_PRIVATE, EPHEMERAL_PRIVATE].map((flags) => {
    const pool = client.pools[tmem.createPool(client, 'p', flags)]!;
    return new TextDecoder().decode(pool.stored.name);
  });
  assert.deepEqual(texts, [
    '{"client":"vm1","pool":"p","kind":"persistent"}',
    '{"client":"vm1","pool":"p","kind":"ephemeral"}',
  ]);
});

test("a pool's name is read back, with whatever a later version adds; what is none is none", () => {
  const name = { client: 'vm1', pool: 'swap0' };
  assert.deepEqual(decodePoolName(encodePoolName(name, 'persistent')), name);
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  assert.deepEqual(decodePoolName(bytes('{"client":"vm1","pool":"swap0","kind":"x","more":[1]}')), name);
  for (const text of ['', 'vm1', 'null', '7', '{"client":"vm1"}', '{"client":1,"pool":"swap0"}'])
    assert.equal(decodePoolName(bytes(text)), undefined, text);
});

test('the id of an object is read back from as few bytes as it needs', () => {
  for (const [id, length] of [
    [0n, 0],
    [1n, 1],
    [255n, 1],
    [256n, 2],
    [OBJECT_ID_MAX, 24],
  ] as const) {
    const bytes = encodeObjectId(id);
    assert.equal(bytes.length, length);
    assert.equal(decodeObjectId(bytes), id);
  }
});
