import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHUNK_BYTES,
  DATA_CHUNK_BYTES,
  HOLE_CHUNK_BYTES,
  patchSimpleReply,
  SIMPLE_REPLY_BYTES,
  STATUS_CHUNK_BYTES,
  writeDataChunk,
  writeErrorChunk,
  writeErrorOffsetChunk,
  writeExtent,
  writeHoleChunk,
  writeNoneChunk,
  writeSimpleReply,
  writeStatusChunk,
} from './reply.js';
import { NbdError } from './request.js';

const cookie = { cookieHigh: 0xfedcba98, cookieLow: 0x76543210 };
const bytes = Buffer.alloc(256);
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const AT = 3;
const text = new TextEncoder().encode('gone');

const replies: readonly [what: string, write: () => number, wire: string][] = [
  ['a simple reply', () => writeSimpleReply(view, AT, cookie, NbdError.io), '67446698 00000005 fedcba9876543210'],
  [
    'the answer to a read of nothing',
    () => writeNoneChunk(view, AT, cookie),
    '668e33ef 0001 0000 fedcba9876543210 00000000',
  ],
  [
    'the header of a data chunk, beyond 4 GiB',
    () => writeDataChunk(view, AT, cookie, false, 0x1_2345_6789, 0),
    '668e33ef 0000 0001 fedcba9876543210 00000008 0000000123456789',
  ],
  [
    'a hole',
    () => writeHoleChunk(view, AT, cookie, true, 2 ** 52 + 1, 32 * 1024 * 1024),
    '668e33ef 0001 0002 fedcba9876543210 0000000c 0010000000000001 02000000',
  ],
  [
    'an error with its words',
    () => writeErrorChunk(bytes, view, AT, cookie, NbdError.noSpace, text),
    '668e33ef 0001 8001 fedcba9876543210 0000000a 0000001c 0004 676f6e65',
  ],
  [
    'an error with its words and place',
    () => writeErrorOffsetChunk(bytes, view, AT, cookie, NbdError.io, text, 4096),
    '668e33ef 0001 8002 fedcba9876543210 00000012 00000005 0004 676f6e65 0000000000001000',
  ],
  [
    'a status of one extent',
    () => writeExtent(view, writeStatusChunk(view, AT, cookie, 1, 1), 0xfffff000, 3),
    '668e33ef 0001 0005 fedcba9876543210 0000000c 00000001 fffff000 00000003',
  ],
];
for (const [what, write, wire] of replies) {
  test(`${what} is laid out as the protocol draws it, anywhere`, () => {
    bytes.fill(0xee);
    const end = write();
    assert.equal(bytes.toString('hex', AT, end), wire.replaceAll(' ', ''));
    assert.ok(bytes.subarray(0, AT).every((byte) => byte === 0xee));
    assert.ok(bytes.subarray(end).every((byte) => byte === 0xee));
  });
}

test('a data chunk counts data that are there already and leaves them alone', () => {
  bytes.fill(0x11);
  assert.equal(writeDataChunk(view, AT, cookie, true, 0, 100), AT + DATA_CHUNK_BYTES + 100);
  assert.equal(view.getUint32(AT + 16), 108);
  assert.ok(bytes.subarray(AT + DATA_CHUNK_BYTES, AT + DATA_CHUNK_BYTES + 100).every((byte) => byte === 0x11));
});

test('a simple reply can change its mind before it leaves', () => {
  writeSimpleReply(view, AT, cookie, NbdError.none);
  patchSimpleReply(view, AT, NbdError.noSpace);
  assert.equal(bytes.toString('hex', AT, AT + SIMPLE_REPLY_BYTES), '674466980000001cfedcba9876543210');
});

test('the sizes are those of what is written', () => {
  assert.equal(writeSimpleReply(view, 0, cookie, NbdError.none), SIMPLE_REPLY_BYTES);
  assert.equal(writeNoneChunk(view, 0, cookie), CHUNK_BYTES);
  assert.equal(writeDataChunk(view, 0, cookie, true, 0, 0), DATA_CHUNK_BYTES);
  assert.equal(writeHoleChunk(view, 0, cookie, true, 0, 1), HOLE_CHUNK_BYTES);
  assert.equal(writeStatusChunk(view, 0, cookie, 1, 0), STATUS_CHUNK_BYTES);
});
