import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { bringsToken } from './token.js';

const TOKEN = '0123456789abcdef';
const digest = createHash('sha256').update(TOKEN).digest();

for (const [header, brings] of [
  [`Bearer ${TOKEN}`, true],
  [`bearer   ${TOKEN}`, true],
  [undefined, false],
  ['', false],
  ['Bearer', false],
  ['Bearer ', false],
  [TOKEN, false],
  [`Basic ${TOKEN}`, false],
  [`Bearer ${TOKEN}0`, false],
  [`Bearer ${TOKEN.slice(1)}`, false],
  [`Bearer ${TOKEN} ${TOKEN}`, false],
  [`Bearer ${digest.toString('hex')}`, false],
] as const) {
  test(`"${String(header)}" ${brings ? 'brings' : 'does not bring'} the token`, () =>
    assert.equal(bringsToken(header, digest), brings));
}
