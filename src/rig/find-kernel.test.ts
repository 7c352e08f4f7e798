import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { findKernel } from './find-kernel.js';

test('the newest kernel is taken, by number and not by letter', (t) => {
  const root = rootWith(t, {
    kernels: ['6.1.0-9-amd64', '6.1.0-56-amd64'],
    modules: ['6.1.0-9-amd64', '6.1.0-56-amd64'],
  });
  const found = findKernel([root]);
  assert.equal(found.version, '6.1.0-56-amd64');
  assert.equal(found.image, path.join(root, 'boot/vmlinuz-6.1.0-56-amd64'));
  assert.equal(found.modules, path.join(root, 'lib/modules/6.1.0-56-amd64'));
});

test('a kernel without its modules is passed over', (t) => {
  const first = rootWith(t, { kernels: ['6.12.0'], modules: [] });
  const second = rootWith(t, { kernels: ['6.1.0'], modules: ['6.1.0'] });
  assert.equal(findKernel([first, second]).version, '6.1.0');
});

test('where there is none, the error says what to type', () => {
  assert.throws(() => findKernel(['/nowhere']), { code: 'E_MISSING_TOOL', message: /type: node scripts\/fetch-guest/ });
});

function rootWith(t: TestContext, { kernels, modules }: { kernels: string[]; modules: string[] }): string {
  const root = mkdtempSync(path.join(tmpdir(), 'tmem-kernel-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(path.join(root, 'boot'));
  for (const version of kernels) writeFileSync(path.join(root, 'boot', `vmlinuz-${version}`), '');
  for (const version of modules) mkdirSync(path.join(root, 'lib/modules', version, 'kernel'), { recursive: true });
  return root;
}
