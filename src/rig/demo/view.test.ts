import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Figures, StoreFigures } from './figures.js';
import { type Output, screenOn } from './screen.js';
import { eventLine, liveLines, plainLine } from './view.js';

const store: StoreFigures = {
  alive: true,
  storedPages: 50_000,
  storedBytes: 100 * 2 ** 20,
  spilledPages: null,
  arenaBytes: 120 * 2 ** 20,
  daemonBytes: 70 * 2 ** 20,
  readsPerSecond: 1203.4,
  writesPerSecond: 87,
};
const guest = { memoryMib: 96, dataMib: 104, faultsPerSecond: 1020, swapIns: 71_050, pagesVerified: 40_704, bad: 0 };
const figures: Figures = {
  seconds: 34.2,
  doing: 'guests visit their pages',
  guests: [
    { name: 'vm1', state: 'works', ...guest },
    { name: 'vm2', state: 'looks back', ...guest, bad: 12 },
  ],
  store,
};

test('a terminal shows a line for each guest, one for the host, one for the store and what is happening', () => {
  assert.deepEqual(liveLines(figures), [
    '',
    'guest   state       memory     data  faults/s  swapped in   checked  bad',
    'vm1     works       96 MiB  104 MiB     1,020      71,050    40,704    0',
    'vm2     looks back  96 MiB  104 MiB     1,020      71,050    40,704   12',
    'host    192 MiB given to guests, arena 120 MiB, daemon 70 MiB',
    'store   50,000 pages stored at 2.0:1, 1,203 reads/s, 87 writes/s',
    'now     guests visit their pages (34 s)',
  ]);
});

test('a log has the same in a line', () => {
  assert.equal(
    plainLine(figures),
    '  34.2 s  192 MiB given to guests, arena 120 MiB, daemon 70 MiB | ' +
      '50,000 pages stored at 2.0:1, 1,203 reads/s, 87 writes/s | ' +
      'vm1 works, 1,020 faults/s, 40,704 checked, 0 bad | vm2 looks back, 1,020 faults/s, 40,704 checked, 12 bad',
  );
});

test('a dead daemon has an arena and neither memory nor rates', () => {
  const lines = liveLines({ ...figures, store: { ...store, alive: false } });
  assert.deepEqual(lines.slice(4, 6), [
    'host    192 MiB given to guests, arena 120 MiB, no daemon',
    'store   50,000 pages stored at 2.0:1',
  ]);
});

test('spilled pages are shown where there is a way out of memory, and take none', () => {
  const spilled = { ...store, spilledPages: 25_000 };
  assert.match(plainLine({ ...figures, store: spilled }), /50,000 pages stored at 1\.0:1, 25,000 spilled, 1,203/);
});

test('before the first look there is nothing to divide', () => {
  const nothing = { ...store, storedPages: 0, storedBytes: 0 };
  assert.match(plainLine({ ...figures, store: nothing }), / \| 0 pages stored, /);
  assert.deepEqual(liveLines({ ...figures, store: undefined }).slice(4, 6), [
    'host    192 MiB given to guests',
    'store   empty',
  ]);
});

test('a terminal is drawn anew below what has happened, and no line wraps', () => {
  const output = new Written(true, 40);
  const screen = screenOn(output);
  screen.show(figures);
  screen.say(35, 'something');
  const [first, second] = output.texts;
  assert.equal(first!.split('\n').length, liveLines(figures).length + 1);
  assert.ok(first!.split('\n').every((line) => line.length < 40));
  assert.equal(second, `\u001B[7A\u001B[J${eventLine(35, 'something')}\n${first}`);
});

test('a log has a line of figures each two seconds and every event', () => {
  const output = new Written(false);
  const screen = screenOn(output);
  for (let seconds = 0; seconds < 6; seconds++) screen.show({ ...figures, seconds });
  screen.say(6, 'something');
  assert.deepEqual(
    output.texts.map((text) => text.slice(0, 8)),
    ['   0.0 s', '   2.0 s', '   4.0 s', '   6.0 s'],
  );
});

class Written implements Output {
  readonly isTTY: boolean;
  readonly columns: number;
  readonly texts: string[] = [];

  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): void {
    this.texts.push(text);
  }
}
