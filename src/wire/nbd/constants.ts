/**
 * Numbers of the NBD handshake, fixed newstyle, by the names of the protocol document ("Protocol phases", "Values").
 * What travels after the handshake is in `request.ts` and `reply.ts`. All integers on the wire are big-endian.
 */

/** "NBDMAGIC", then "IHAVEOPT", which also starts every option a client sends. */
export const GREETING_MAGIC = 0x4e42444d41474943n;
export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;

/** Server's in the greeting, client's in its answer; the bits are the same. */
export const HandshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const Option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
  extendedHeaders: 11,
} as const;

/** Errors have the highest bit. */
export const OptionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errUnsup: 0x80000001,
  errPolicy: 0x80000002,
  errInvalid: 0x80000003,
  errPlatform: 0x80000004,
  errTlsReqd: 0x80000005,
  errUnknown: 0x80000006,
  errShutdown: 0x80000007,
  errBlockSizeReqd: 0x80000008,
  errTooBig: 0x80000009,
  errExtHeaderReqd: 0x8000000a,
} as const;
export type OptionReply = (typeof OptionReply)[keyof typeof OptionReply];

export const Info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

/** What an export can do, told at the end of the handshake. */
export const TransmissionFlag = {
  hasFlags: 0x001,
  readOnly: 0x002,
  flush: 0x004,
  fua: 0x008,
  rotational: 0x010,
  trim: 0x020,
  writeZeroes: 0x040,
  df: 0x080,
  canMultiConn: 0x100,
  cache: 0x400,
  fastZero: 0x800,
} as const;

/** Longest string of the protocol, in bytes ("String values"). */
export const STRING_BYTES_MAX = 4096;
