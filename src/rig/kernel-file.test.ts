import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { kernelFromFile } from './kernel-file.js';

test('a kernel says its version, and its modules stand in the same tree', (t) => {
  const root = folder(t);
  mkdirSync(path.join(root, 'boot'));
  mkdirSync(path.join(root, 'lib/modules/9.8.7-none/kernel'), { recursive: true });
  const image = path.join(root, 'boot/linux');
  writeFileSync(image, bzImage('9.8.7-none (somebody@somewhere) #1'));
  assert.deepEqual(kernelFromFile(image), {
    version: '9.8.7-none',
    image,
    modules: path.join(root, 'lib/modules/9.8.7-none'),
  });
});

test('or the kernel stands among its modules', (t) => {
  const root = folder(t);
  mkdirSync(path.join(root, 'kernel'));
  writeFileSync(path.join(root, 'vmlinuz'), bzImage('9.8.7-none '));
  assert.equal(kernelFromFile(path.join(root, 'vmlinuz')).modules, root);
});

test('what is no kernel, has no modules or is not there is named', (t) => {
  const root = folder(t);
  const file = path.join(root, 'file');
  assert.throws(() => kernelFromFile(file), { code: 'E_NOT_FOUND', message: /cannot read a kernel from .*ENOENT/ });
  assert.throws(() => kernelFromFile(root), { code: 'E_NOT_FOUND', message: /EISDIR/ });
  writeFileSync(file, Buffer.alloc(40_000));
  assert.throws(() => kernelFromFile(file), { code: 'E_NOT_FOUND', message: /is no Linux kernel for x86/ });
  writeFileSync(file, bzImage('\0'));
  assert.throws(() => kernelFromFile(file), { code: 'E_NOT_FOUND', message: /does not say which version/ });
  writeFileSync(file, bzImage('9.8.7-none '));
  assert.throws(() => kernelFromFile(file), { code: 'E_NOT_FOUND', message: /no modules of Linux 9\.8\.7-none/ });
});

function folder(t: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'tmem-kernel-'));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

function bzImage(version: string): Buffer {
  const head = Buffer.alloc(0x3000);
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt16LE(0x2a00, 0x20e);
  head.write(`${version}\0`, 0x2c00, 'latin1');
  return head;
}
