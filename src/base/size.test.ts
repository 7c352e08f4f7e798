import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatSize, parseSize } from './size.js';

for (const [written, bytes] of [
  ['0', 0],
  ['4096', 4096],
  ['2K', 2048],
  ['2KiB', 2048],
  ['64MiB', 2 ** 26],
  ['2G', 2 ** 31],
  ['2GiB', 2 ** 31],
  ['1T', 2 ** 40],
  [1048576, 1048576],
] as const) {
  test(`${JSON.stringify(written)} is ${bytes} bytes`, () => assert.deepEqual(parseSize(written), { bytes }));
}

for (const [written, hint] of [
  ['2GB', /write "2GiB"/],
  ['2gb', /write "2GiB"/],
  ['2g', /write "2GiB"/],
  ['1.5G', /smaller unit/],
  ['', /such as "2GiB"/],
  ['-1', /not a size/],
  ['2 G', /not a size/],
  ['25%', /not a size/],
  ['9007199254740992', /larger than/],
  ['9000T9', /not a size/],
  [-1, /whole number/],
  [1.5, /whole number/],
  [Number.NaN, /whole number/],
] as const) {
  test(`${JSON.stringify(written)} is refused, with a hint`, () => {
    const parsed = parseSize(written);
    assert.ok('problem' in parsed);
    assert.match(parsed.problem, hint);
  });
}

test('every whole number of units is its product', () => {
  fc.assert(
    fc.property(fc.nat(8000), fc.constantFrom('K', 'M', 'G', 'T'), fc.constantFrom('', 'iB'), (count, unit, suffix) => {
      const power = ('KMGT'.indexOf(unit) + 1) * 10;
      assert.deepEqual(parseSize(`${count}${unit}${suffix}`), { bytes: count * 2 ** power });
    }),
  );
});

test('sizes for people use binary units with their binary names', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 10 * 1024 + 512, 2 ** 20, 1.25 * 2 ** 30, 2 ** 40].map(formatSize), [
    '0 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '11 KiB',
    '1 MiB',
    '1.3 GiB',
    '1 TiB',
  ]);
});
