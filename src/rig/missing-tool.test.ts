import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TmemError } from '../base/errors.js';
import { findAll, MissingTool } from './missing-tool.js';

test('all that is missing is one line with one command', () => {
  assert.throws(
    () =>
      findAll(
        () => {
          throw new MissingTool('no a on PATH', 'apt-get install a');
        },
        () => undefined,
        () => {
          throw new MissingTool('no b', 'node b.mjs');
        },
      ),
    { code: 'E_MISSING_TOOL', message: 'no a on PATH, no b; type: apt-get install a && node b.mjs' },
  );
});

test('where nothing is missing nothing is thrown, and other errors pass', () => {
  findAll(() => undefined);
  const other = new TmemError('E_NOT_FOUND', 'gone');
  assert.throws(
    () =>
      findAll(() => {
        throw other;
      }),
    other,
  );
});
