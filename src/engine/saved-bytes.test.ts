/** What sharing saves: counted with each page that comes and goes, and equal to what a recount finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FailingFiles } from '../../test/support/failing-files.js';
import { content, contentBytes, MARK, Sharing } from '../../test/support/sharing-engine.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';

test('a page that is the first with its content saves nothing, each further one what its record would take', () => {
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, content(1));
  store.commit();
  assert.deepEqual(store.engine.sharing, { contents: 1, savedBytes: 0 });
  store.put('a', 1, content(1));
  store.put('b', 0, content(1));
  store.put('b', 1, content(2));
  store.commit();
  assert.deepEqual(store.engine.sharing, { contents: 2, savedBytes: 2 * contentBytes(1) });
});

test('the same page in two domains is two contents and saves nothing; a same-filled one is none', () => {
  const store = new Sharing(new MemorySegmentFiles(), { a: 'one', b: 'two' });
  store.put('a', 0, content(1));
  store.put('b', 0, content(1));
  store.put('a', 1, Buffer.alloc(4096, 7));
  store.put('a', 2, Buffer.alloc(4096, 7));
  store.commit();
  assert.deepEqual(store.engine.sharing, { contents: 2, savedBytes: 0 });
});

test('a pool counts its own shared pages, and no others by coming or going change that', () => {
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, content(1));
  store.put('a', 1, Buffer.alloc(4096, 7));
  store.commit();
  const { pool } = store.object('a');
  assert.equal(pool.sharedPages, 1);
  store.put('b', 0, content(1));
  store.commit();
  assert.equal(pool.sharedPages, 1);
  store.engine.flushPool(store.object('b').pool);
  store.commit();
  assert.equal(pool.sharedPages, 1);
  store.flush('a', 0);
  store.commit();
  assert.equal(pool.sharedPages, 0);
});

test('what contents take in memory is metadata', () => {
  const store = new Sharing(new MemorySegmentFiles(), {});
  const before = store.engine.metadataBytes;
  store.put('a', 0, content(1));
  store.commit();
  const alone = store.engine.metadataBytes - before;
  store.engine.shareWithin(store.object('b').pool, 'tenant');
  store.put('b', 0, content(2));
  store.commit();
  // A chunk of 1024 rows of 12 bytes, and one of links of the table.
  assert.ok(store.engine.metadataBytes - before >= alone + 1024 * (12 + 4));
});

type Step =
  | { readonly verb: 'put' | 'flush'; readonly pool: string; readonly page: number; readonly number: number }
  | { readonly verb: 'flushPool'; readonly pool: string }
  | { readonly verb: 'commit' | 'fail' | 'die' | 'close' };

const pool = fc.constantFrom('a', 'b', 'c', 'alone');
const page = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ verb: fc.constant('put' as const), pool, page, number: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 4, arbitrary: fc.record({ verb: fc.constant('flush' as const), pool, page, number: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant('flushPool' as const), pool }) },
  { weight: 4, arbitrary: fc.record({ verb: fc.constant('commit' as const) }) },
  { weight: 2, arbitrary: fc.record({ verb: fc.constantFrom('fail' as const, 'die' as const, 'close' as const) }) },
);

test('the bytes saved are what pools are charged less what is stored, after any batch, failed ones and deaths included', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 200 }), (steps) => {
      const files = new FailingFiles();
      let store = open(files);
      for (const each of steps) {
        if (each.verb === 'put') store.put(each.pool, each.page, content(each.number));
        else if (each.verb === 'flush') store.flush(each.pool, each.page);
        else if (each.verb === 'flushPool') {
          // Its number is spent: it goes with the batch, and a new pool comes.
          store.commit();
          store.destroy(each.pool);
        } else {
          if (each.verb === 'fail') {
            files.code = 'ENOSPC';
            files.failures = 1;
            store.engine.commit();
            files.failures = 0;
          } else if (each.verb === 'die') store = open(files);
          else if (each.verb === 'close') {
            store.commit();
            store.engine.close();
            store = open(files);
          } else assert.equal(store.engine.commit(), CommitOutcome.done);
          expectRecounted(store);
        }
      }
      store.commit();
      expectRecounted(store);
    }),
    { seed: 78, numRuns: 150 },
  );
});

function open(files: FailingFiles): Sharing {
  return new Sharing(files, { a: 'tenant', b: 'tenant', c: 'other' });
}

function expectRecounted({ engine }: Sharing): void {
  const charged = [...engine.pools].reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const { savedBytes, contents } = engine.sharing;
  assert.equal(savedBytes, charged - engine.segments.liveBytes);
  assert.ok(savedBytes >= 0);
  const shared = [...engine.pools].reduce((sum, { sharedPages }) => sum + sharedPages, 0);
  assert.ok(contents <= shared && contents > 0 === shared > 0);
  // A content is at least a header, so that what is saved says how many pages lack one.
  if (savedBytes === 0) assert.equal(contents, shared);
  assert.ok(charged >= shared * MARK);
}
