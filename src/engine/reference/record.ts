import { xxh3 } from './xxh3.js';

/**
 * The header of a record as fields and as bytes, for tests alone. Written from the drawing of a record, constants
 * included, and not from the code of the kernel, so that a slip in either shows.
 */
export interface ReferenceHeader {
  readonly payloadBytes: number;
  readonly kind: number;
  readonly object: number;
  readonly index: number;
  readonly sequence: bigint;
  readonly hash: bigint;
}

export function encodeHeader(header: ReferenceHeader, generation: bigint): Uint8Array {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt16LE(header.payloadBytes, 4);
  bytes.writeUInt8(header.kind, 6);
  bytes.writeUInt32LE(header.object, 8);
  bytes.writeUInt32LE(header.index, 12);
  bytes.writeBigUInt64LE(header.sequence, 16);
  bytes.writeBigUInt64LE(header.hash, 24);
  bytes.writeUInt32LE(Number(xxh3(bytes.subarray(4), generation) & 0xffffffffn), 0);
  return bytes;
}

/** The fields, or undefined where no record of this generation starts. */
export function decodeHeader(header: Uint8Array, generation: bigint): ReferenceHeader | undefined {
  const bytes = Buffer.from(header.buffer, header.byteOffset, 32);
  const check = Number(xxh3(bytes.subarray(4), generation) & 0xffffffffn);
  const fields: ReferenceHeader = {
    payloadBytes: bytes.readUInt16LE(4),
    kind: bytes.readUInt8(6),
    object: bytes.readUInt32LE(8),
    index: bytes.readUInt32LE(12),
    sequence: bytes.readBigUInt64LE(16),
    hash: bytes.readBigUInt64LE(24),
  };
  const known = fields.kind >= 1 && fields.kind <= 14 && bytes.readUInt8(7) === 0 && fields.payloadBytes <= 4096;
  return known && check === bytes.readUInt32LE(0) ? fields : undefined;
}
