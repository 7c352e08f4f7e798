/** Pages that share their memory: one content, many marks, inside one domain. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailingFiles } from '../../test/support/failing-files.js';
import { content, contentBytes, MARK, Sharing } from '../../test/support/sharing-engine.js';
import { TEST_SEGMENT_BYTES } from '../../test/support/test-engine.js';
import { versionedPage } from '../../test/support/versioned-page.js';
import { CommitOutcome } from '../base/commit-outcome.js';
import { type Address, segmentSlot } from '../base/ids.js';
import { seededPrng } from '../base/prng.js';
import { CHARGED_BYTES_MAX, PAGE_BYTES } from '../base/units.js';
import { MemorySegmentFiles } from '../io/memory-segment-files.js';
import { checkEngine } from './check.js';
import { loadKernel } from './kernel.js';
import { PutOutcome } from './put-outcome.js';

test('R78: equal pages of one domain are stored once, whoever put them, and each is got as it was put', () => {
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, content(1));
  store.commit();
  const once = store.engine.segments.liveBytes;
  for (let page = 1; page < 20; page++) store.put('a', page, content(1));
  for (let page = 0; page < 20; page++) store.put('b', page, content(1));
  store.commit();
  assert.equal(store.engine.segments.liveBytes, once + 39 * MARK);
  for (let page = 0; page < 20; page++) {
    assert.deepEqual(store.get('a', page), content(1));
    assert.deepEqual(store.get('b', page), content(1));
  }
});

test('equal pages of one batch share, and are got before it is committed', () => {
  const once = contentBytes(1);
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, content(1));
  store.put('a', 1, content(1));
  assert.deepEqual(store.get('a', 1), content(1));
  store.commit();
  assert.equal(store.engine.segments.liveBytes, store.storedBytes('a') - once);
});

test('the most that a page is charged is that of one that does not compress, and its mark', () => {
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, versionedPage(0, 1));
  store.commit();
  assert.ok(store.storedBytes('a') > PAGE_BYTES + MARK && store.storedBytes('a') <= CHARGED_BYTES_MAX);
});

test('R81: pages of two domains never share, nor those of a pool that is in none', () => {
  const store = new Sharing(new MemorySegmentFiles(), { a: 'one', b: 'two' });
  store.put('a', 0, content(1));
  store.commit();
  const once = store.engine.segments.liveBytes;
  store.put('b', 0, content(1));
  store.commit();
  assert.equal(store.engine.segments.liveBytes, 2 * once);
  store.put('alone', 0, content(1));
  store.commit();
  assert.equal(store.engine.segments.liveBytes, 3 * once - MARK);
});

test('R78: pages with one hash and other bytes do not share', () => {
  const kernel = loadKernel({ memoryBytes: 2 ** 21 });
  // All pages have the hash of nothing.
  const blind = new Proxy(kernel, {
    get(target, name): unknown {
      if (name === 'xxh3')
        return (at: Address, bytes: number, seed: number) => target.xxh3(at, bytes === 4096 ? 0 : bytes, seed);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const store = new Sharing(new MemorySegmentFiles(), { a: 'tenant', b: 'tenant' }, blind);
  store.put('a', 0, content(1));
  store.put('b', 0, content(2));
  store.put('b', 1, content(1));
  store.commit();
  assert.deepEqual(store.get('a', 0), content(1));
  assert.deepEqual(store.get('b', 0), content(2));
  assert.deepEqual(store.get('b', 1), content(1));
  assert.deepEqual(store.engine.sharing, { contents: 1, savedBytes: contentBytes(1) });
});

test('a content that is damaged answers so for each page that shares it, and none shares it from then on', () => {
  const files = new MemorySegmentFiles();
  const store = new Sharing(files);
  store.put('a', 0, content(1));
  store.put('b', 3, content(1));
  store.commit();
  overwrite(files, content(1).subarray(64, 96), Buffer.alloc(32, 0xee));
  assert.equal(store.get('a', 0), 'damaged');
  assert.equal(store.get('b', 3), 'damaged');
  store.put('a', 1, content(1));
  store.commit();
  assert.deepEqual(store.get('a', 1), content(1));
  const { badPages } = checkEngine(loadKernel({ memoryBytes: 2 ** 21 }), files);
  const named = badPages.map(({ object, index }) => `${new TextDecoder().decode(object.name)}${index}`);
  assert.deepEqual(named.toSorted(), ['a0', 'b3']);
});

test('each owner is charged all that is stored of a page, shared or not', () => {
  const charge = contentBytes(1) + MARK;
  const store = new Sharing(new MemorySegmentFiles());
  for (let page = 0; page < 10; page++) {
    store.put('a', page, content(1));
    store.put('b', page, content(1));
  }
  store.commit();
  assert.equal(store.storedBytes('a'), 10 * charge);
  assert.equal(store.storedBytes('b'), store.storedBytes('a'));
  store.flush('a', 0, 10);
  store.commit();
  assert.equal(store.storedBytes('a'), 0);
  assert.equal(store.storedBytes('b'), 10 * charge);
});

test('a put that would charge the pool more than it may grow by is refused and leaves nothing behind', () => {
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, content(1));
  store.commit();
  const live = store.engine.segments.liveBytes;
  const charge = store.storedBytes('a');
  assert.equal(store.put('b', 0, content(1), charge - 1), PutOutcome.over);
  assert.equal(store.put('b', 0, content(2), 64), PutOutcome.over);
  store.commit();
  assert.equal(store.engine.segments.liveBytes, live);
  assert.equal(store.put('b', 0, content(1), charge), PutOutcome.stored);
});

test('a content is gone with the last page that is it, by flush, put or pool, and comes again as new', () => {
  const store = new Sharing(new MemorySegmentFiles());
  for (const end of ['flush', 'put', 'pool'] as const) {
    store.put('a', 0, content(1));
    store.put('b', 0, content(1));
    store.commit();
    store.flush('b', 0);
    store.commit();
    assert.deepEqual(store.get('a', 0), content(1), end);
    if (end === 'flush') store.flush('a', 0);
    else if (end === 'put') store.put('a', 0, Buffer.alloc(4096, 7));
    else store.engine.flushPool(store.object('a').pool);
    store.commit();
    assert.equal(store.engine.segments.liveBytes, end === 'put' ? 32 : 0, end);
    if (end === 'put') store.flush('a', 0);
    store.commit();
  }
});

test('a batch that takes the last page of a content away and puts it elsewhere keeps the content', () => {
  const store = new Sharing(new MemorySegmentFiles());
  store.put('a', 0, content(1));
  store.commit();
  store.flush('a', 0);
  store.put('b', 5, content(1));
  store.commit();
  assert.deepEqual(store.get('b', 5), content(1));
  assert.equal(store.get('a', 0), 'missing');
});

test('a batch that fails leaves pages, contents and charges as they were', () => {
  const files = new FailingFiles();
  const store = new Sharing(files);
  store.put('a', 0, content(1));
  store.commit();
  const live = store.engine.segments.liveBytes;
  files.code = 'ENOSPC';
  files.failures = 1;
  store.put('a', 1, content(1));
  store.put('b', 0, content(2));
  store.flush('a', 0);
  assert.notEqual(store.engine.commit(), CommitOutcome.done);
  assert.equal(store.engine.segments.liveBytes, live);
  assert.deepEqual(store.get('a', 0), content(1));
  assert.equal(store.get('b', 0), 'missing');
  store.put('b', 0, content(2));
  store.commit();
  assert.deepEqual(store.get('b', 0), content(2));
});

test('what shares and what it is charged outlive the process, through cleaning, and go on to share', () => {
  const files = new MemorySegmentFiles();
  const prng = seededPrng(5);
  const known = new Map<string, number>();
  const sizes = new Map(Array.from({ length: 16 }, (_, at) => [at + 1, contentBytes(at + 1)]));
  for (let life = 0; life < 6; life++) {
    const store = new Sharing(files);
    assert.equal(store.recovered.pages, known.size);
    for (let step = 0; step < 600; step++) {
      const pool = prng.below(2) === 0 ? 'a' : 'b';
      const page = prng.below(24);
      const number = 1 + prng.below(16);
      if (prng.below(4) === 0) {
        store.flush(pool, page);
        known.delete(`${pool}${page}`);
      } else {
        assert.equal(store.put(pool, page, content(number)), PutOutcome.stored);
        known.set(`${pool}${page}`, number);
      }
      if (prng.below(3) === 0) store.commit();
    }
    store.commit();
    for (const [name, number] of known) {
      assert.deepEqual(store.get(name[0]!, Number(name.slice(1))), content(number), name);
    }
    const numbers = new Set(known.values());
    const contents = [...numbers].reduce((sum, number) => sum + sizes.get(number)!, 0);
    assert.equal(store.engine.segments.liveBytes, contents + known.size * MARK);
    const charged = [...known.values()].reduce((sum, number) => sum + sizes.get(number)! + MARK, 0);
    assert.equal(store.storedBytes('a') + store.storedBytes('b'), charged);
    if (life % 2 === 0) store.engine.close();
  }
  assert.equal(checkEngine(loadKernel({ memoryBytes: 2 ** 21 }), files).badPages.length, 0);
});

/** Where these bytes stand in the files, others come. */
function overwrite(files: MemorySegmentFiles, bytes: Buffer, others: Buffer): void {
  const segment = Buffer.alloc(TEST_SEGMENT_BYTES);
  for (const { slot } of files.list()) {
    files.read(segmentSlot(slot), 0, segment, 0, segment.length);
    const at = segment.indexOf(bytes);
    if (at >= 0) files.write(segmentSlot(slot), at, others, 0, others.length);
  }
}
