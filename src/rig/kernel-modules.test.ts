import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { dependenciesOf, modulesInOrder } from './kernel-modules.js';

test('a module comes after all that it depends on, once', (t) => {
  const folder = modulesFolder(t, {
    'drivers/virtio/virtio_ring': '',
    'drivers/virtio/virtio': 'virtio_ring',
    'drivers/virtio/virtio_pci': 'virtio,virtio_ring',
    'drivers/block/virtio_blk': 'virtio_ring,virtio',
  });
  const order = modulesInOrder(folder, ['virtio_blk', 'virtio_pci']).map(({ name }) => name);
  assert.deepEqual(order, ['virtio_ring', 'virtio', 'virtio_blk', 'virtio_pci']);
});

test('a hyphen in the name of a file is an underscore in the name of its module', (t) => {
  const folder = modulesFolder(t, { 'drivers/char/hw_random/virtio-rng': 'rng-core', 'drivers/char/rng-core': '' });
  const order = modulesInOrder(folder, ['virtio_rng']).map(({ name }) => name);
  assert.deepEqual(order, ['rng_core', 'virtio_rng']);
});

test('what the kernel has built in is left out', (t) => {
  const folder = modulesFolder(t, { 'drivers/block/nbd': 'ext4' }, 'kernel/fs/ext4/ext4.ko\n');
  assert.deepEqual(
    modulesInOrder(folder, ['nbd']).map(({ name }) => name),
    ['nbd'],
  );
});

test('a module that is nowhere is an error that names it', (t) => {
  const folder = modulesFolder(t, {});
  assert.throws(() => modulesInOrder(folder, ['nbd']), { code: 'E_MISSING_TOOL', message: /no module nbd in / });
});

test('a module without a dependency list depends on nothing', () => {
  assert.deepEqual(dependenciesOf(Buffer.from('\x7fELF')), []);
});

/** A folder `lib/modules/VERSION` of modules that are nothing but their `.modinfo`. */
function modulesFolder(t: TestContext, depends: Readonly<Record<string, string>>, builtIn = ''): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-modules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'kernel'));
  writeFileSync(path.join(folder, 'modules.builtin'), builtIn);
  for (const [name, list] of Object.entries(depends)) {
    const file = path.join(folder, 'kernel', `${name}.ko`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `\x7fELF\0license=GPL\0depends=${list}\0retpoline=Y\0`);
  }
  return folder;
}
