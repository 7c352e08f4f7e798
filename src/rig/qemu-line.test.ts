import assert from 'node:assert/strict';
import { test } from 'node:test';
import { qemuArguments, swapDiskArguments } from './qemu-line.js';

const swap = { socket: '/run/tmem/vm1-swap0.nbd', exportName: 'vm1/swap0' };

test('a swap disk waits for a server that restarts, and pauses the guest rather than failing its requests', () => {
  const [, blockdev = '', , device] = swapDiskArguments(swap);
  assert.deepEqual(JSON.parse(blockdev), {
    driver: 'nbd',
    'node-name': 'preswap',
    server: { type: 'unix', path: swap.socket },
    export: swap.exportName,
    discard: 'unmap',
    'reconnect-delay': 60,
    'open-timeout': 30,
  });
  assert.equal(device, 'virtio-blk-pci,drive=preswap,werror=stop,rerror=stop,serial=preswap');
});

test('a guest runs under TCG and turns a panic into an exit', () => {
  const line = qemuArguments({
    memoryMib: 96,
    kernelImage: '/boot/vmlinuz',
    initramfs: '/tmp/initramfs.gz',
    qmp: '/tmp/qmp',
    swap,
    parameters: { mode: 'swap', mib: 160 },
  });
  assert.equal(line[line.indexOf('-accel') + 1], 'tcg,thread=multi');
  assert.ok(line.includes('-no-reboot'));
  const kernelLine = line[line.indexOf('-append') + 1] ?? '';
  assert.match(kernelLine, /panic=-1/);
  assert.match(kernelLine, /mode=swap mib=160$/);
});
