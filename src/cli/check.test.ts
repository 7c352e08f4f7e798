import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkReport } from './check.js';
import { formatTable } from './table.js';

const whole = {
  version: 1,
  segments: 2,
  records: 30,
  pages: 20,
  tornTail: false,
  damaged: [],
  spilledPages: 0,
  damagedPages: 0,
  damage: [],
};

test('a whole arena is one line and "no damage"', () => {
  assert.equal(checkReport('/a', whole), 'arena /a: format 1, 2 segments, 30 records, 20 pages\nno damage\n');
});

test('a torn tail is told and is no damage', () => {
  assert.match(checkReport('/a', { ...whole, tornTail: true }), /^torn tail: .*\nno damage\n$/m);
});

test('damaged pages are named, those beyond the limit are counted', () => {
  const report = checkReport('/a', { ...whole, damaged: [{ pool: 'vm1/swap0', page: 7 }], damagedPages: 3 });
  assert.match(report, /^damaged: vm1\/swap0 page 7\ndamaged: 2 more\n$/m);
  assert.doesNotMatch(report, /no damage/);
});

test('a table has one word per cell, numbers to the right and no trailing spaces', () => {
  assert.equal(
    formatTable(
      [{ head: 'NAME' }, { head: 'SIZE', right: true }, { head: 'X' }],
      [
        ['a', '10MiB', ''],
        ['longer', '1B', 'y'],
      ],
    ),
    'NAME     SIZE  X\na       10MiB  -\nlonger     1B  y\n',
  );
});

test('pages in spill files are counted, and said not to be looked at', () => {
  assert.match(
    checkReport('/a', { ...whole, spilledPages: 5 }),
    /^5 pages are in spill files, which are not looked at/m,
  );
  assert.doesNotMatch(checkReport('/a', whole), /spill/);
});
