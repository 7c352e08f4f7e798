import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { TmemError } from '../../base/errors.js';
import { parseTrace, readTrace, TRACE_FORMATS, type TraceFormat } from './read-trace.js';
import type { Trace } from './trace.js';

const SAMPLES: readonly (readonly [TraceFormat, string, readonly number[]])[] = [
  ['lis', '16 9 0 0\n7 2 0 1\r\n\n', [0, 1, 2, 3]],
  ['vscsi', 'version,time,op,size,lbn\n1,10,2a,4096,8\n2,20,28,512,15\n1,30,28,8192,4', [0, 0, 1, 0, 2]],
  ['lirs', '5\n*\n9\n5\n', [0, 1, 0]],
  ['lackey', 's 0x1fffff50 1\nl 0x1fffff58 6\nl 0x50 1\ns 0x0fff 2\n', [0, 0, 1, 1]],
  ['refs', '0 vm1 a 7 r\n5 vm1 f 7 w\n5 vm2 a 7 r\n6 vm1 a 7 w\n', [0, 1, 2, 0]],
];

test('each text format is read as pages, numbered as they appear', () => {
  for (const [format, text, pages] of SAMPLES) assert.deepEqual([...parse(format, text).pages], pages, format);
});

test('big-endian numbers of 32 and 64 bits are pages, however large', () => {
  const bytes = Buffer.from('00000001ffffffff00000001', 'hex');
  assert.deepEqual([...parseTrace(bytes, 'x', 'u32be').pages], [0, 1, 0]);
  const wide = Buffer.from('fffffffffffffffffffffffffffffffe0000000000000001ffffffffffffffff', 'hex');
  assert.deepEqual([...parseTrace(wide, 'x', 'u64be').pages], [0, 1, 2, 0]);
});

test('a request is as many references as pages, or one where requests are asked for', () => {
  assert.equal(parse('lis', '8 16 0 0\n').pages.length, 2);
  assert.equal(parse('lis', '7 2 0 0\n').pages.length, 2);
  assert.equal(parseTrace(Buffer.from('8 16 0 0\n'), 'x', 'lis', { blockBytes: 4096 }).pages.length, 16);
  assert.equal(parseTrace(Buffer.from('8 16 0 0\n8 1 0 0\n'), 'x', 'lis', { unit: 'request' }).distinct, 1);
});

test('refs keep time, guest, kind and access of each reference', () => {
  const { details } = parse('refs', '1 vm1 a 7 r\n5 vm2 f 7 w\n');
  assert.deepEqual(details, {
    times_us: Float64Array.of(1, 5),
    guests: ['vm1', 'vm2'],
    guestOf: Uint16Array.of(0, 1),
    anonymous: Uint8Array.of(1, 0),
    writes: Uint8Array.of(0, 1),
  });
});

test('a line that is not of the format is named by its number', () => {
  const wrong: readonly (readonly [TraceFormat, string, RegExp])[] = [
    ['lis', '1 1 0 0\n\n1 x 0 0\n', /^x, line 3: "1 x 0 0" is not "start_block count ignored request_number"; name /],
    ['lis', '1 1 0\n', /line 1: /],
    ['lis', '1 1 0 0 0\n', /line 1: /],
    ['lis', '1 99999999 0 0\n', /asks for more than 65536 pages/],
    ['vscsi', 'version,time\n1,2,28,512,-1\n', /line 2: /],
    ['lirs', '1\n2\n99999999999999999999\n', /line 3: /],
    ['lirs', '1\n9007199254740993\n', /line 2: /],
    ['lackey', 'l 0x10 1\nx 0x10 1\n', /line 2: /],
    ['lackey', 'l 10 1\n', /line 1: /],
    ['refs', '5 vm1 a 7 r\n4 vm1 a 7 r\n', /line 2: .* is earlier than the line before/],
    ['refs', '5 vm1 x 7 r\n', /line 1: /],
  ];
  for (const [format, text, message] of wrong) {
    assert.throws(() => parse(format, text), { code: 'E_TRACE', message }, `${format} ${text}`);
  }
  assert.throws(() => parse('u32be', '123456'), { code: 'E_TRACE', message: /^x, byte 4: 2 bytes are left over/ });
});

test('whatever the bytes are, a trace comes of them or one clear error', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .array(fc.constantFrom('0', '1', '65', '9'.repeat(30), '0x1f', 'a', 'f', 'r', 'w', 'l', '*', ' ', ',', '\n', '-'))
      .map((parts) => Uint8Array.from(Buffer.from(parts.join(' ')))),
    fc
      .tuple(fc.constantFrom(...SAMPLES), fc.nat(80), fc.nat(255))
      .map(([[, text], at, byte]) => Uint8Array.from(Buffer.from(text)).with(at % text.length, byte)),
  );
  fc.assert(
    fc.property(fc.constantFrom(...TRACE_FORMATS), bytes, (format, input) => {
      try {
        const { pages, distinct } = parseTrace(input, 'fuzz', format);
        assert.equal(distinct, new Set(pages).size);
        assert.ok(pages.every((page) => page < distinct));
      } catch (error) {
        assert.ok(error instanceof TmemError, String(error));
        assert.equal(error.code, 'E_TRACE');
        assert.match(error.message, /^fuzz, (line|byte) \d+: [^\n]+$/);
      }
    }),
    { numRuns: Number(process.env['TMEM_FUZZ'] ?? 3000) },
  );
});

test('a packed file is unpacked, a cut or absent one refused', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-trace-'));
  try {
    const packed = gzipSync('1\n2\n1\n');
    const whole = path.join(folder, 'a.gz');
    writeFileSync(whole, packed);
    assert.deepEqual([...readTrace(whole, 'lirs').pages], [0, 1, 0]);
    writeFileSync(whole, packed.subarray(0, 12));
    assert.throws(() => readTrace(whole, 'lirs'), { code: 'E_TRACE', message: /cannot be read/ });
    assert.throws(() => readTrace(path.join(folder, 'b'), 'lirs'), { code: 'E_NOT_FOUND' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function parse(format: TraceFormat, text: string): Trace {
  return parseTrace(Buffer.from(text), 'x', format);
}
