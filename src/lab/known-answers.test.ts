/** Answers that others published, of orders that are exact: whoever disagrees with them reads or counts wrongly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lru } from '../evict/lru.js';
import { projectFolder } from '../rig/tools.js';
import { missesAlone } from './cache-run.js';
import { KNOWN_TRACES, readKnownTrace, tracesFolder } from './traces/known-traces.js';

const folder = tracesFolder(projectFolder());
const skip = folder === null && 'not here: public traces; TMEM_TRACES names their folder';

test('LRU has the misses that libCacheSim counts on its CloudPhysics sample, an object a request', { skip }, () => {
  const trace = readKnownTrace(folder!, 'CloudPhysics', { unit: 'request' });
  assert.equal(trace.pages.length, 113_872);
  assert.equal(
    missesAlone(trace, 128, (table) => new Lru(table)),
    99_411,
  );
  assert.equal(
    missesAlone(trace, 1024, (table) => new Lru(table)),
    94_816,
  );
});

test('LRU has the hit ratios of the ARC paper on OLTP', { skip }, () => {
  const trace = readKnownTrace(folder!, 'OLTP');
  const hits = [1000, 2000, 5000, 10_000, 15_000].map((size) => {
    const misses = missesAlone(trace, size, (table) => new Lru(table));
    return (100 * (1 - misses / trace.pages.length)).toFixed(2);
  });
  assert.deepEqual(hits, ['32.83', '42.47', '53.65', '60.70', '64.63']);
});

test('the traces have the references and pages that their descriptions say', { skip }, () => {
  const sizes = KNOWN_TRACES.map(({ name }) => {
    const { pages, distinct } = readKnownTrace(folder!, name);
    return [name, pages.length, distinct];
  });
  assert.deepEqual(sizes, [
    ['P3', 611_918, 102_348],
    ['OLTP', 914_145, 186_880],
    ['CloudPhysics', 1_141_869, 269_210],
    ['orm-busy', 5_000_000, 76_349],
    ['web07', 76_118, 20_484],
    ['sprite', 133_996, 7075],
  ]);
});
