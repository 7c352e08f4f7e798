import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestSettings } from './guest-settings.js';

test('settings become what the API takes', () => {
  assert.deepEqual(guestSettings(['cap=2G', 'weight=50', 'reservation=none']), {
    cap_bytes: 2 ** 31,
    weight: 50,
    reservation_bytes: null,
  });
  assert.deepEqual(guestSettings(['cap=0']), { cap_bytes: 0 });
});

for (const [settings, message] of [
  [['cpa=1'], 'unknown setting "cpa": the nearest is "cap"'],
  [['cap'], 'cap= is not a size: write bytes, or K, M, G or T with or without "iB", such as "2GiB", or "none"'],
  [['cap=2GB'], 'cap=2GB is not a size: write "2GiB", or "none"'],
  [['cap=1', 'cap=2'], 'cap is set twice'],
  [
    ['reservation=-1'],
    'reservation=-1 is not a size: write bytes, or K, M, G or T with or without "iB", such as "2GiB", or "none"',
  ],
  [['weight=0'], 'weight=0 is not a whole number of 1 or more'],
  [['weight=none'], 'weight=none is not a whole number of 1 or more'],
  [['weight=9007199254740993'], 'weight=9007199254740993 is not a whole number of 1 or more'],
  [['weight=\u009B31m'], String.raw`weight=\u009b31m is not a whole number of 1 or more`],
  [['__proto__=1'], 'unknown setting "__proto__": the nearest is "cap"'],
] as const) {
  test(`${JSON.stringify(settings)} is a usage error that names what is wrong`, () =>
    assert.throws(() => guestSettings(settings), { code: 'E_USAGE', message }));
}
