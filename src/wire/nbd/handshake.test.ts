import assert from 'node:assert/strict';
import { test } from 'node:test';
import { infoQuery, metaQuery, optionMessage, u32 } from '../../../test/support/nbd-client.js';
import { HandshakeFlag, Info, Option, OptionReply, TransmissionFlag } from './constants.js';
import { type ExportCatalogue, Handshake, OPTION_BYTES_MAX, OPTIONS_MAX } from './handshake.js';
import type { ExportDescription } from './option-replies.js';

const MIB = 1024 * 1024;
const BOTH: number = HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes;
const disk: ExportDescription = { name: 'vm1/swap0', description: 'swap of vm1', sizeBytes: 64 * MIB, readOnly: false };

test('the greeting offers fixed newstyle and no zeroes', () => {
  const said = Buffer.from(new Handshake(catalogue()).takeOutput());
  assert.equal(said.toString('latin1', 0, 16), 'NBDMAGICIHAVEOPT');
  assert.equal(said.readUInt16BE(16), 3);
});

test('a client flag that we do not know breaks the handshake', () => {
  assert.equal(talk([u32(4)]).state, 'broken');
});

test('a wrong option magic breaks the handshake', () => {
  assert.equal(talk([u32(BOTH), Buffer.alloc(16)]).state, 'broken');
});

test('what QEMU says leads to transmission with structured replies and base:allocation', () => {
  const { handshake, replies } = converse(
    optionMessage(Option.structuredReply, Buffer.alloc(0)),
    optionMessage(Option.setMetaContext, metaQuery('vm1/swap0', ['base:allocation'])),
    optionMessage(Option.go, infoQuery('vm1/swap0', [Info.blockSize])),
  );
  assert.deepEqual(
    replies.map(({ reply }) => reply),
    [OptionReply.ack, OptionReply.metaContext, OptionReply.ack, OptionReply.info, OptionReply.info, OptionReply.ack],
  );
  assert.deepEqual(handshake.agreement, { description: disk, structuredReplies: true, hasMetaContext: true });
  assert.equal(replies[3]!.data.readUInt16BE(0), Info.export);
  assert.equal(replies[3]!.data.readBigUInt64BE(2), BigInt(64 * MIB));
  assert.equal(replies[4]!.data.toString('hex'), '0003000000010000100002000000');
});

test('one byte at a time and all at once say the same', () => {
  const wire = Buffer.concat([
    u32(BOTH),
    optionMessage(Option.list, Buffer.alloc(0)),
    optionMessage(99, Buffer.alloc(300)),
    optionMessage(Option.info, infoQuery('', [Info.name, Info.description, Info.blockSize, 77])),
    optionMessage(Option.go, infoQuery('')),
    Buffer.from('the first request'),
  ]);
  const whole = talk([wire]);
  const slow = talk(Array.from(wire, (byte) => Buffer.of(byte)));
  assert.equal(whole.state, 'agreed');
  assert.equal(slow.state, 'agreed');
  assert.deepEqual(slow.said, whole.said);
  assert.equal(whole.taken, wire.length - 'the first request'.length);
  assert.equal(slow.taken, whole.taken);
});

test('INFO and GO of the same export give equal answers, by its name and as the default', () => {
  const info = (option: number, name: string): string =>
    converse(optionMessage(option, infoQuery(name, [Info.name])))
      .replies.map(({ reply, data }) => `${reply}:${data.toString('hex')}`)
      .join();
  assert.equal(info(Option.info, 'vm1/swap0'), info(Option.go, 'vm1/swap0'));
  assert.equal(info(Option.go, ''), info(Option.go, 'vm1/swap0'));
});

test('LIST names the export of the socket, with its description', () => {
  const { replies } = converse(optionMessage(Option.list, Buffer.alloc(0)));
  assert.deepEqual(
    replies.map(({ reply }) => reply),
    [OptionReply.server, OptionReply.ack],
  );
  assert.equal(replies[0]!.data.toString('latin1', 4), 'vm1/swap0swap of vm1');
  assert.equal(replies[0]!.data.readUInt32BE(0), 9);
});

test('ABORT is acknowledged, whatever data it carries, and ends', () => {
  const { handshake, replies } = converse(optionMessage(Option.abort, Buffer.from('bye')));
  assert.equal(handshake.state, 'finished');
  assert.deepEqual(
    replies.map(({ reply }) => reply),
    [OptionReply.ack],
  );
});

const refusals: readonly [what: string, option: number, data: Buffer, reply: number][] = [
  ['STARTTLS', Option.startTls, Buffer.alloc(0), OptionReply.errUnsup],
  ['STARTTLS with data', Option.startTls, Buffer.alloc(1), OptionReply.errInvalid],
  ['EXTENDED_HEADERS', Option.extendedHeaders, Buffer.alloc(0), OptionReply.errUnsup],
  ['an option of no meaning, with data', 4, Buffer.alloc(5000), OptionReply.errUnsup],
  ['LIST with data', Option.list, Buffer.alloc(4), OptionReply.errInvalid],
  ['STRUCTURED_REPLY with data', Option.structuredReply, Buffer.alloc(4), OptionReply.errInvalid],
  ['GO to another export', Option.go, infoQuery('vm2/swap0'), OptionReply.errUnknown],
  ['INFO of another export', Option.info, infoQuery('vm2/swap0'), OptionReply.errUnknown],
  ['GO without data', Option.go, Buffer.alloc(0), OptionReply.errInvalid],
  ['GO with a name of 2^32 - 1 bytes', Option.go, Buffer.from('ffffffff0000', 'hex'), OptionReply.errInvalid],
  ['GO with a name longer than a string', Option.go, infoQuery('x'.repeat(4097)), OptionReply.errInvalid],
  ['GO with a name that is not UTF-8', Option.go, Buffer.from('00000001ff0000', 'hex'), OptionReply.errInvalid],
  ['GO with more infos announced than sent', Option.go, Buffer.from('000000000002ffff', 'hex'), OptionReply.errInvalid],
  ['GO with a byte too many', Option.go, Buffer.from('00000000000000', 'hex'), OptionReply.errInvalid],
  ['SET_META_CONTEXT first', Option.setMetaContext, metaQuery('', ['base:allocation']), OptionReply.errInvalid],
  ['LIST_META_CONTEXT of another export', Option.listMetaContext, metaQuery('nix', []), OptionReply.errUnknown],
  [
    'LIST_META_CONTEXT with a query cut short',
    Option.listMetaContext,
    Buffer.from('000000000000000100000009626173653a', 'hex'),
    OptionReply.errInvalid,
  ],
  [
    'LIST_META_CONTEXT with 2^32 - 1 queries announced',
    Option.listMetaContext,
    Buffer.from('00000000ffffffff', 'hex'),
    OptionReply.errInvalid,
  ],
];
for (const [what, option, data, reply] of refusals) {
  test(`${what} is refused and the handshake goes on`, () => {
    const { handshake, replies } = converse(
      optionMessage(option, data),
      optionMessage(Option.structuredReply, Buffer.alloc(0)),
    );
    assert.equal(handshake.state, 'negotiating');
    assert.deepEqual(
      replies.map((each) => each.reply),
      [reply, OptionReply.ack],
    );
  });
}

const queries: readonly [query: string[], listed: boolean, selected: boolean][] = [
  [[], true, false],
  [['base:allocation'], true, true],
  [['base:'], true, false],
  [['base:allocation '], false, false],
  [['qemu:dirty-bitmap:x', '', 'x-other:'], false, false],
  [['qemu:allocation-depth', 'base:allocation', 'base:allocation'], true, true],
];
for (const [query, listed, selected] of queries) {
  test(`queries [${query.join(', ')}]: listed ${listed}, selected ${selected}`, () => {
    const { handshake, replies } = converse(
      optionMessage(Option.structuredReply, Buffer.alloc(0)),
      optionMessage(Option.listMetaContext, metaQuery('', query)),
      optionMessage(Option.setMetaContext, metaQuery('', query)),
      optionMessage(Option.go, infoQuery('')),
    );
    const contexts = (option: number): number =>
      replies.filter((each) => each.option === option && each.reply === OptionReply.metaContext).length;
    assert.equal(contexts(Option.listMetaContext), listed ? 1 : 0);
    assert.equal(contexts(Option.setMetaContext), selected ? 1 : 0);
    assert.equal(handshake.agreement?.hasMetaContext, selected);
  });
}

const voids: readonly [what: string, ...options: Buffer[]][] = [
  ['GO of another name', optionMessage(Option.go, infoQuery('vm1/swap0'))],
  [
    'a SET_META_CONTEXT that failed',
    optionMessage(Option.setMetaContext, metaQuery('nix', [])),
    optionMessage(Option.go, infoQuery('')),
  ],
  [
    'a SET_META_CONTEXT without queries',
    optionMessage(Option.setMetaContext, metaQuery('', [])),
    optionMessage(Option.go, infoQuery('')),
  ],
];
for (const [what, ...options] of voids) {
  test(`${what} makes the selection void`, () => {
    const { handshake } = converse(
      optionMessage(Option.structuredReply, Buffer.alloc(0)),
      optionMessage(Option.setMetaContext, metaQuery('', ['base:allocation'])),
      ...options,
    );
    assert.equal(handshake.agreement?.hasMetaContext, false);
  });
}

test('DF is offered only after STRUCTURED_REPLY, and a read-only export offers nothing that writes', () => {
  const flagsOf = (offered: ExportDescription, ...before: Buffer[]): number => {
    const { replies } = converseWith(catalogue(offered), [...before, optionMessage(Option.go, infoQuery(''))]);
    return replies.find(({ reply }) => reply === OptionReply.info)!.data.readUInt16BE(10);
  };
  const structured = optionMessage(Option.structuredReply, Buffer.alloc(0));
  assert.equal(flagsOf(disk) & TransmissionFlag.df, 0);
  assert.notEqual(flagsOf(disk, structured) & TransmissionFlag.df, 0);
  const writing = TransmissionFlag.trim | TransmissionFlag.writeZeroes | TransmissionFlag.fastZero;
  const readOnly = flagsOf({ ...disk, readOnly: true });
  assert.equal(readOnly & writing, 0);
  assert.notEqual(readOnly & TransmissionFlag.readOnly, 0);
  assert.equal(flagsOf(disk) & writing, writing);
});

test('EXPORT_NAME is answered without a header, padded unless NO_ZEROES was agreed', () => {
  for (const [flags, bytes] of [
    [0, 134],
    [HandshakeFlag.fixedNewstyle, 134],
    [BOTH, 10],
  ] as const) {
    const { state, said } = talk([u32(flags), optionMessage(Option.exportName, Buffer.from('vm1/swap0'))]);
    assert.equal(state, 'agreed');
    const answer = said.subarray(18);
    assert.equal(answer.length, bytes);
    assert.equal(answer.readBigUInt64BE(0), BigInt(64 * MIB));
    assert.ok(answer.subarray(10).every((byte) => byte === 0));
  }
});

test('EXPORT_NAME of another export can only be answered by hanging up', () => {
  assert.equal(talk([u32(BOTH), optionMessage(Option.exportName, Buffer.from('nix'))]).state, 'broken');
});

test('a client without fixed newstyle may only send EXPORT_NAME', () => {
  assert.equal(talk([u32(0), optionMessage(Option.go, infoQuery(''))]).state, 'broken');
});

test('an option longer than the limit breaks before its data are waited for', () => {
  const header = optionMessage(Option.go, Buffer.alloc(0));
  header.writeUInt32BE(OPTION_BYTES_MAX + 1, 12);
  assert.equal(talk([u32(BOTH), header]).state, 'broken');
});

test('the longest option and the last allowed one are served, one more is not', () => {
  const long = optionMessage(Option.go, Buffer.alloc(OPTION_BYTES_MAX));
  const { handshake, replies } = converse(long);
  assert.equal(handshake.state, 'negotiating');
  assert.equal(replies[0]!.reply, OptionReply.errInvalid);
  const list = optionMessage(Option.list, Buffer.alloc(0));
  assert.equal(converse(...Array<Buffer>(OPTIONS_MAX).fill(list)).handshake.state, 'negotiating');
  assert.equal(converse(...Array<Buffer>(OPTIONS_MAX + 1).fill(list)).handshake.state, 'broken');
});

test('while shutting down every option but ABORT gets ERR_SHUTDOWN', () => {
  const closing = { ...catalogue(), shuttingDown: true };
  for (const option of [Option.list, Option.go, Option.structuredReply, Option.setMetaContext]) {
    const { replies } = converseWith(closing, [optionMessage(option, Buffer.alloc(0))]);
    assert.deepEqual(
      replies.map(({ reply }) => reply),
      [OptionReply.errShutdown],
    );
  }
  const { handshake } = converseWith(closing, [optionMessage(Option.abort, Buffer.alloc(0))]);
  assert.equal(handshake.state, 'finished');
});

function catalogue(offered: ExportDescription = disk): ExportCatalogue {
  const find = (name: string): ExportDescription | undefined =>
    name === '' || name === offered.name ? offered : undefined;
  return { shuttingDown: false, list: () => [offered], find };
}

/** Gives the pieces to a handshake until it wants no more. */
function talk(
  pieces: readonly Uint8Array[],
  exports: ExportCatalogue = catalogue(),
): { handshake: Handshake; state: string; said: Buffer; taken: number } {
  const handshake = new Handshake(exports);
  const said = [handshake.takeOutput()];
  let taken = 0;
  for (const piece of pieces) {
    taken += handshake.receive(piece, 0, piece.length);
    said.push(handshake.takeOutput());
  }
  return { handshake, state: handshake.state, said: Buffer.concat(said), taken };
}

interface Reply {
  option: number;
  reply: number;
  data: Buffer;
}

function converse(...options: Buffer[]): { handshake: Handshake; replies: Reply[] } {
  return converseWith(catalogue(), options);
}

function converseWith(
  exports: ExportCatalogue,
  options: readonly Buffer[],
): { handshake: Handshake; replies: Reply[] } {
  const { handshake, said } = talk([u32(BOTH), ...options], exports);
  const replies: Reply[] = [];
  for (let at = 18; at < said.length;) {
    assert.equal(said.readBigUInt64BE(at), 0x3e889045565a9n);
    const length = said.readUInt32BE(at + 16);
    const data = said.subarray(at + 20, at + 20 + length);
    replies.push({ option: said.readUInt32BE(at + 8), reply: said.readUInt32BE(at + 12), data });
    at += 20 + length;
  }
  return { handshake, replies };
}
