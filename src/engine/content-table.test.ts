/** The table of contents beside a Map: hashes that collide, parts that grow, removals that close up behind them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ContentTable, NO_CONTENT } from './content-table.js';

const HEADS_MIN = 8;
/** The links of the first 1024 contents. */
const LINKS_BYTES = 4096;
const PART_BITS = 8;

/** Contents are equal where their keys are; the table knows them by their words alone. */
class Keyed {
  readonly table: ContentTable;
  readonly keys = new Map<number, string>();
  readonly #wordOf: (key: string) => number;
  #wanted = '';

  constructor(wordOf: (key: string) => number) {
    this.#wordOf = wordOf;
    this.table = new ContentTable({
      wordOf: (content) => wordOf(this.keys.get(content)!),
      isWanted: (content) => this.keys.get(content) === this.#wanted,
    });
  }

  find(key: string): number {
    this.#wanted = key;
    return this.table.find(this.#wordOf(key));
  }

  add(content: number, key: string): void {
    this.keys.set(content, key);
    this.table.add(content);
  }

  /** As the store does: out of the table first, while its word is known. */
  remove(content: number): boolean {
    const wasThere = this.table.remove(content);
    this.keys.delete(content);
    return wasThere;
  }
}

/** Words of one part whose place in its smallest size is this one; more bits come when it grows. */
function wordIn(part: number, place: number, more = 0): number {
  return ((more << (PART_BITS + 3)) | (place << PART_BITS) | part) >>> 0;
}

/** From all different to all the same; the second and third fill one part, the third few chains of it. */
const HASHES: readonly (readonly [what: string, wordOf: (key: number) => number])[] = [
  ['words that differ', (key) => Math.imul(key, 2654435761) >>> 0],
  ['words of one part', (key) => wordIn(255, key % 8, key >>> 3)],
  ['words of a few chains', (key) => wordIn(3, 5 + (key % 3), key % 5 === 0 ? 0xfffff : 0)],
  ['one word', () => 0xffffffff],
];

type Step = { readonly verb: 'add' | 'remove' | 'find'; readonly key: number };

for (const [what, wordOf] of HASHES) {
  test(`with ${what}, the table finds what a map has, and nothing else, while it grows and shrinks`, () => {
    const step: fc.Arbitrary<Step> = fc.record({
      verb: fc.constantFrom('add', 'add', 'remove', 'find'),
      key: fc.nat(120),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const keyed = new Keyed((key) => wordOf(Number(key)));
        const model = new Map<string, number>();
        let next = 0;
        for (const { verb, key: number } of steps) {
          const key = String(number);
          const known = model.get(key);
          assert.equal(keyed.find(key), known ?? NO_CONTENT);
          if (verb === 'add' && known === undefined) {
            keyed.add(next, key);
            model.set(key, next++);
          } else if (verb === 'remove' && known !== undefined) {
            assert.equal(keyed.remove(known), true);
            model.delete(key);
          }
        }
        for (let number = 0; number <= 120; number++) {
          assert.equal(keyed.find(String(number)), model.get(String(number)) ?? NO_CONTENT, `key ${number}`);
        }
      }),
      { seed: 24, numRuns: 60 },
    );
  });
}

test('whichever of a chain is removed, the others are found', () => {
  const places = [7, 7, 7, 0, 0, 1];
  for (const gone of places.keys()) {
    const keyed = new Keyed((key) => wordIn(0, places[Number(key)]!, Number(key) + 1));
    for (const content of places.keys()) keyed.add(content, String(content));
    assert.equal(keyed.remove(gone), true);
    for (const content of places.keys()) {
      assert.equal(keyed.find(String(content)), content === gone ? NO_CONTENT : content, `${content} without ${gone}`);
    }
  }
});

test('of contents with one key any is found, and when it goes another', () => {
  const keyed = new Keyed(() => 77);
  for (const content of [4, 5, 6]) keyed.add(content, 'same');
  const left = new Set([4, 5, 6]);
  while (left.size > 0) {
    const found = keyed.find('same');
    assert.ok(left.delete(found));
    keyed.remove(found);
  }
  assert.equal(keyed.find('same'), NO_CONTENT);
});

test('what is not there is not removed, in an empty part and in one with others on its way', () => {
  const keyed = new Keyed(() => wordIn(9, 15));
  keyed.keys.set(1, 'a');
  assert.equal(keyed.table.remove(1), false);
  keyed.add(2, 'b');
  assert.equal(keyed.table.remove(1), false);
  assert.equal(keyed.find('b'), 2);
  assert.equal(keyed.remove(2), true);
  assert.equal(keyed.find('b'), NO_CONTENT);
});

test('a table costs nothing before its first content, grows a part at a time, and takes again the place of what went', () => {
  const keyed = new Keyed((key) => wordIn(Number(key) % 256, 0, Number(key)));
  assert.equal(keyed.table.bytes, 0);
  keyed.add(0, '0');
  const least = LINKS_BYTES + HEADS_MIN * 4;
  assert.equal(keyed.table.bytes, least);
  // All in part 0: two for each of its chains.
  for (let content = 1; content < 16; content++) keyed.add(content, String(content * 256));
  assert.equal(keyed.table.bytes, least);
  for (let round = 0; round < 100; round++) {
    keyed.remove(round % 16);
    keyed.add(round % 16, String((round % 16) * 256));
  }
  assert.equal(keyed.table.bytes, least);
  keyed.add(16, String(16 * 256));
  assert.equal(keyed.table.bytes, least + HEADS_MIN * 4);
  keyed.add(17, '1');
  assert.equal(keyed.table.bytes, least + 2 * HEADS_MIN * 4);
});

test('a content of a hundred thousand costs 6 to 8 bytes', () => {
  const keyed = new Keyed((key) => Math.imul(Number(key) + 1, 2654435761) >>> 0);
  for (let content = 0; content < 100_000; content++) keyed.add(content, String(content));
  const each = keyed.table.bytes / 100_000;
  // A link, and a head for one or two.
  assert.ok(each >= 6 && each <= 8.1, `${each} bytes`);
  for (let content = 0; content < 100_000; content += 997) assert.equal(keyed.find(String(content)), content);
});
