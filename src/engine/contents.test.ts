/** Contents of domains: who finds which, whose numbers are whose, and what recovery makes of marks and records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AssertionError } from '../base/assert.js';
import { objectNumber, poolNumber } from '../base/ids.js';
import { NO_CONTENT } from './content-table.js';
import { type ContentDomain, Contents } from './contents.js';
import { FANOUT, PageSlab } from './page-slab.js';
import { contentsName, StoredObject, StoredPool } from './stored-object.js';

const slab = new PageSlab();

function objectOf(number: number): StoredObject {
  return new StoredObject(
    objectNumber(number),
    new StoredPool(poolNumber(number), contentsName(`d${number}`)),
    new Uint8Array(),
    slab,
  );
}

const [ONE, TWO, THREE] = [objectOf(1), objectOf(2), objectOf(3)];

/** The word that contents are found by. */
function hashOf(number: number): number {
  return Math.imul(number, 2654435761) >>> 0;
}

/** Of an arena that is made now. */
function begun(): Contents {
  const contents = new Contents();
  contents.endRecovery();
  return contents;
}

/** With a page. */
function added(contents: Contents, domain: ContentDomain, number: number, bytes = 100): number {
  const next = contents.nextOf(domain);
  const content = contents.add(domain, hashOf(number), bytes);
  assert.equal(content, next, 'the number that was promised');
  contents.retain(content);
  return content;
}

test('a content is found by its own domain, by all bits of the word', () => {
  const contents = begun();
  const [one, two] = [contents.domainOf(ONE), contents.domainOf(TWO)];
  const content = added(contents, one, 5);
  assert.equal(contents.find(one, hashOf(5)), content);
  assert.equal(contents.find(two, hashOf(5)), NO_CONTENT);
  for (let bit = 0; bit < 32; bit++) {
    assert.equal(contents.find(one, (hashOf(5) ^ (1 << bit)) >>> 0), NO_CONTENT, `bit ${bit}`);
  }
  const same = added(contents, two, 5);
  assert.deepEqual([contents.find(one, hashOf(5)), contents.find(two, hashOf(5))], [content, same]);
  assert.deepEqual([contents.objectOf(content), contents.objectOf(same)], [ONE, TWO]);
});

test('a domain known twice is one', () => {
  const contents = begun();
  assert.equal(contents.domainOf(ONE).ordinal, contents.domainOf(ONE).ordinal);
});

test('a content goes with its last page, and whoever gives that up is told whose page goes', () => {
  const contents = begun();
  const one = contents.domainOf(ONE);
  const content = added(contents, one, 5);
  contents.retain(content);
  contents.retain(content);
  assert.deepEqual([contents.pagesOf(content), contents.savedBytes], [3, 200]);
  assert.equal(contents.release(content), undefined);
  assert.equal(contents.release(content), undefined);
  assert.deepEqual([contents.pagesOf(content), contents.savedBytes, contents.count], [1, 0, 1]);
  assert.equal(contents.release(content), ONE);
  assert.deepEqual([contents.pagesOf(content), contents.count], [0, 0]);
  assert.equal(contents.find(one, hashOf(5)), NO_CONTENT);
  assert.throws(() => contents.release(content), AssertionError);
});

test('one that cannot be read is found no more; its pages keep it, and another with its hash may come', () => {
  const contents = begun();
  const one = contents.domainOf(ONE);
  const content = added(contents, one, 5);
  contents.shun(content);
  assert.equal(contents.find(one, hashOf(5)), NO_CONTENT);
  assert.deepEqual([contents.pagesOf(content), contents.bytesOf(content)], [1, 100]);
  const again = added(contents, one, 5);
  assert.equal(contents.release(content), ONE);
  assert.equal(contents.find(one, hashOf(5)), again);
});

test('a leaf of the index holds contents of one domain, also when numbers are used again', () => {
  const contents = begun();
  const domains = [ONE, TWO, THREE].map((object) => contents.domainOf(object));
  const live: number[] = [];
  let seed = 1;
  for (let step = 0; step < 5000; step++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    if (seed % 5 < 3) live.push(added(contents, domains[(seed >>> 8) % 3]!, step));
    else if (live.length > 0) contents.release(live.splice((seed >>> 8) % live.length, 1)[0]!);
    expectBlocksOfOne(contents, live);
  }
  assert.ok(live.length > 200 && live.length === contents.count);
  const most = Math.max(...live);
  assert.ok(most < 2 * live.length + 3 * FANOUT, `numbers up to ${most} for ${live.length}`);
});

test('recovery counts the marks: contents that none names are gone, and the newest mark says whose a number is', () => {
  const contents = new Contents();
  // Number 3 was of one domain, then of another; 4 lost its only page; 5 has two.
  mark(contents, 3, ONE, 30);
  contents.release(3);
  mark(contents, 3, TWO, 31);
  mark(contents, 4, ONE, 40);
  assert.equal(contents.release(4), undefined, 'nothing is gone for good before all is read');
  mark(contents, 5 + FANOUT, ONE, 50);
  mark(contents, 5 + FANOUT, ONE, 50);
  const named = [
    contents.isNamed(3, TWO),
    contents.isNamed(3, ONE),
    contents.isNamed(4, ONE),
    contents.isNamed(5 + FANOUT, ONE),
    contents.isNamed(999_999, ONE),
  ];
  assert.deepEqual(named, [true, false, false, true, false]);
  contents.recovered(3, TWO, 100);
  contents.recovered(5 + FANOUT, ONE, 70);
  contents.endRecovery();
  const [one, two] = [contents.domainOf(ONE), contents.domainOf(TWO)];
  assert.deepEqual([contents.count, contents.savedBytes], [2, 70]);
  assert.equal(contents.find(two, hashOf(31)), 3);
  assert.equal(contents.find(one, hashOf(30)), NO_CONTENT);
  assert.equal(contents.find(one, hashOf(40)), NO_CONTENT);
  assert.equal(contents.find(one, hashOf(50)), 5 + FANOUT);
  assert.equal(contents.release(3), TWO);
});

test('numbers that recovery found free in blocks of nobody go to the first domain that needs some', () => {
  const contents = new Contents();
  mark(contents, 2, ONE, 2);
  contents.release(2);
  contents.endRecovery();
  const [two, three] = [contents.domainOf(TWO), contents.domainOf(THREE)];
  const numbers = new Set(Array.from({ length: FANOUT }, (_, at) => added(contents, two, at)));
  assert.ok([...numbers].every((number) => number < FANOUT) && numbers.size === FANOUT);
  assert.ok(added(contents, three, 1) >= FANOUT);
});

test('after any life and a recovery all is found, and no number that is in use is given again', () => {
  const life = fc.array(fc.record({ domain: fc.nat(2), number: fc.nat(60), flush: fc.boolean() }), { maxLength: 400 });
  fc.assert(
    fc.property(life, (steps) => {
      const objects = [ONE, TWO, THREE];
      const before = begun();
      const domains = objects.map((object) => before.domainOf(object));
      const log: { content: number; domain: number; number: number; flush: boolean }[] = [];
      for (const { domain, number, flush } of steps) {
        const known = before.find(domains[domain]!, hashOf(number));
        if (flush && known === NO_CONTENT) continue;
        if (flush) before.release(known);
        else if (known !== NO_CONTENT) before.retain(known);
        const content = known === NO_CONTENT ? added(before, domains[domain]!, number, 50 + number) : known;
        log.push({ content, domain, number, flush });
      }
      const after = new Contents();
      for (const { content, domain, number, flush } of log) {
        if (flush) after.release(content);
        else mark(after, content, objects[domain]!, number);
      }
      // Of the records that the log has, the last of each number.
      const records = new Map(log.map((each) => [each.content, each]));
      for (const [content, { domain, number }] of records) {
        if (after.isNamed(content, objects[domain]!)) after.recovered(content, objects[domain]!, 50 + number);
      }
      after.endRecovery();
      const found = objects.map((object) => after.domainOf(object));
      const live: number[] = [];
      for (let number = 0; number <= 60; number++) {
        for (const [at, domain] of domains.entries()) {
          const content = before.find(domain, hashOf(number));
          assert.equal(after.find(found[at]!, hashOf(number)), content);
          if (content === NO_CONTENT) continue;
          assert.deepEqual([after.pagesOf(content), after.bytesOf(content)], [before.pagesOf(content), 50 + number]);
          live.push(content);
        }
      }
      assert.deepEqual([after.count, after.savedBytes], [before.count, before.savedBytes]);
      for (let more = 0; more < 150; more++) live.push(added(after, found[more % 3]!, 1000 + more));
      assert.equal(new Set(live).size, live.length);
      expectBlocksOfOne(after, live);
    }),
    { seed: 128, numRuns: 100 },
  );
});

function mark(contents: Contents, content: number, object: StoredObject, number: number): void {
  contents.recoverMark(content, object.number, hashOf(number));
}

function expectBlocksOfOne(contents: Contents, live: readonly number[]): void {
  const owners = new Map<number, StoredObject | undefined>();
  for (const content of live) {
    const block = Math.floor(content / FANOUT);
    const owner = contents.objectOf(content);
    assert.equal(owners.get(block) ?? owner, owner, `block ${block}`);
    owners.set(block, owner);
  }
}
