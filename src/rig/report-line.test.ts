import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberIn, readReport } from './report-line.js';

test('a tagged line is a report with its word and its fields', () => {
  const report = readReport('HOG done bad=0 reads=51234');
  assert.deepEqual(report, { tag: 'HOG', word: 'done', fields: { bad: '0', reads: '51234' } });
});

test('a report may lack a word, fields or both', () => {
  assert.deepEqual(readReport('GUEST pswpin=7'), { tag: 'GUEST', word: '', fields: { pswpin: '7' } });
  assert.deepEqual(readReport('GUEST bye'), { tag: 'GUEST', word: 'bye', fields: {} });
});

test('what a kernel prints is no report', () => {
  for (const line of [
    '',
    '[    0.941382] Freeing initrd memory: 1552K',
    'Read-error on swap-device (254:0:4096)',
    'BUG: unable to handle page fault',
    'ACPI: Core revision 20220331',
  ])
    assert.equal(readReport(line), undefined, line);
});

test('a figure that is missing is no number, and not zero', () => {
  const report = readReport('HOG done bad= reads=51234');
  assert.ok(report);
  assert.equal(numberIn(report, 'reads'), 51234);
  assert.ok(Number.isNaN(numberIn(report, 'bad')));
  assert.ok(Number.isNaN(numberIn(report, 'writes')));
});
