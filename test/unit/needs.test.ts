import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { excuseFor, needs } from '../support/needs.js';

const before = process.env['TMEM_REQUIRE'];
afterEach(() => {
  if (before === undefined) delete process.env['TMEM_REQUIRE'];
  else process.env['TMEM_REQUIRE'] = before;
});

test('a test whose tool is missing is skipped with the reason', () => {
  delete process.env['TMEM_REQUIRE'];
  assert.equal(needs('no-such-tool', 'sh'), 'not here: no-such-tool');
  assert.equal(needs('sh'), false);
});

test('TMEM_REQUIRE turns that into a failure, and all names root too', (t) => {
  const { getuid } = process;
  t.after(() => Object.assign(process, { getuid }));
  process.getuid = () => 1000;
  for (const missing of ['no-such-tool', 'root']) {
    process.env['TMEM_REQUIRE'] = 'all';
    assert.throws(() => needs(missing), /required by TMEM_REQUIRE and not here/, missing);
    process.env['TMEM_REQUIRE'] = 'sh, something-else';
    assert.equal(needs(missing), `not here: ${missing}`);
  }
  process.env['TMEM_REQUIRE'] = 'gcc,root';
  assert.throws(() => needs('root'), /not here: root$/);
});

test('what cannot be installed is required by its own name alone', (t) => {
  const traces = process.env['TMEM_TRACES'];
  t.after(() => {
    if (traces === undefined) delete process.env['TMEM_TRACES'];
    else process.env['TMEM_TRACES'] = traces;
  });
  process.env['TMEM_TRACES'] = '/nowhere';
  process.env['TMEM_REQUIRE'] = 'all';
  assert.equal(needs('traces'), 'not here: traces');
  process.env['TMEM_REQUIRE'] = 'all, traces';
  assert.throws(() => needs('traces'), /required by TMEM_REQUIRE and not here: traces$/);
});

test('what a test finds missing when it runs is excused or not in the same way', () => {
  process.env['TMEM_REQUIRE'] = 'gcc';
  assert.equal(excuseFor('a kernel with wings'), 'not here: a kernel with wings');
  process.env['TMEM_REQUIRE'] = 'all';
  assert.throws(() => excuseFor('a kernel with wings'), /required by TMEM_REQUIRE and not here/);
});
