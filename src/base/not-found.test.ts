import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { notFound, quoted } from './not-found.js';

test('what is not found is told with the nearest name there is', () => {
  const error = notFound('guest', 'vmm1', ['db', 'vm1']);
  assert.deepEqual(
    [error.code, error.message],
    ['E_NOT_FOUND', 'no guest "vmm1": the nearest is "vm1", "tmem status" lists all'],
  );
  assert.equal(notFound('pool', 'x', []).message, 'no pool "x": there are none');
});

test('whatever a name holds, what is shown of it is one short line of printable ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (name) => {
      const shown = quoted(name);
      assert.match(shown, /^"[ -~]*"$/);
      assert.ok(shown.length <= 2 + 6 * 60);
    }),
    { seed: 1 },
  );
  assert.equal(quoted('a\u001B[31m"\n'), String.raw`"a\u001b[31m\"\u000a"`);
});
