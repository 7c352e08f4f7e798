import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { type Tally, TroubleWatch } from './trouble-watch.js';

const SECOND = 1e6;

let tallies: Tally[] = [];
let lines: string[] = [];
let watch = newWatch();
beforeEach(() => {
  tallies = [];
  lines = [];
  watch = newWatch();
});

test('what has not happened is not told', () => {
  tallies = [tally('a', 0)];
  watch.report(0);
  watch.reportRest(SECOND);
  assert.deepEqual([lines, watch.warnings(SECOND)], [[], []]);
});

test('a count that has risen is a line with how often and to whom, once', () => {
  tallies = [tally('a', 2), tally('b', 0), tally('c', 1)];
  for (let at = 0; at < 100; at++) watch.report(at * SECOND);
  assert.deepEqual(lines, ['warn: 3 of a, c']);
});

test('there is one line in ten seconds at most, which stands for all that came meanwhile', () => {
  for (let at = 0; at < 30; at++) {
    tallies = [tally('a', at + 1)];
    watch.report(at * SECOND);
  }
  assert.deepEqual(lines, ['warn: 1 of a', 'warn: 10 of a (11 since the start)', 'warn: 10 of a (21 since the start)']);
});

test('the end tells what no line has told', () => {
  tallies = [tally('a', 1)];
  watch.report(0);
  tallies = [tally('a', 3)];
  watch.report(SECOND);
  watch.reportRest(SECOND);
  assert.deepEqual(lines, ['warn: 1 of a', 'warn: 2 of a (3 since the start)']);
});

test('a warning stands at once, and as long as nothing goes well again', () => {
  tallies = [tally('a', 4, 10)];
  const warning = [{ code: 'odd', text: '4 of a' }];
  assert.deepEqual(watch.warnings(0), warning);
  assert.deepEqual(watch.warnings(3600 * SECOND), warning);
  tallies = [tally('a', 4, 11)];
  assert.deepEqual(watch.warnings(3601 * SECOND), []);
});

test('a warning stands for a minute though the same goes well in between', () => {
  tallies = [tally('a', 1, 10)];
  watch.report(0);
  tallies = [tally('a', 1, 90)];
  assert.equal(watch.warnings(59 * SECOND).length, 1);
  assert.deepEqual(watch.warnings(60 * SECOND), []);
  tallies = [tally('a', 2, 90)];
  assert.deepEqual(watch.warnings(61 * SECOND), [{ code: 'odd', text: '2 of a' }]);
});

test('who is gone is not warned of, and who comes back is not told of again', () => {
  tallies = [tally('a', 1)];
  watch.report(0);
  tallies = [];
  assert.deepEqual(watch.warnings(SECOND), []);
  tallies = [tally('a', 1)];
  watch.report(100 * SECOND);
  assert.deepEqual(lines, ['warn: 1 of a']);
});

test('of many names some are told and the rest are counted', () => {
  tallies = Array.from({ length: 8 }, (_, at) => tally(`g${at}`, 1));
  watch.report(0);
  assert.deepEqual(lines, ['warn: 8 of g0, g1, g2, g3, g4 and 3 more']);
});

function newWatch(): TroubleWatch {
  const trouble = {
    code: 'odd',
    level: 'warn',
    tallies: () => tallies,
    text: (count: number, names: string) => `${count} of ${names}`,
  } as const;
  return new TroubleWatch([trouble], (level, text) => lines.push(`${level}: ${text}`));
}

function tally(name: string, bad: number, good = 0): Tally {
  return { name, bad, good };
}
