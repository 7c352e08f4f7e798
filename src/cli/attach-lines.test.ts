import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusExport } from '../base/status.js';
import { attachLines } from './attach-lines.js';

test('QEMU waits for a restart, pauses on errors and passes discards on', () => {
  assert.equal(
    attachLines(disk('/run/tmem/vm1-swap0.nbd')).qemu,
    `-blockdev driver=nbd,node-name=tmem-swap0,server.type=unix,server.path=/run/tmem/vm1-swap0.nbd,export=vm1/swap0,discard=unmap,reconnect-delay=60,open-timeout=30 \\
-device virtio-blk-pci,drive=tmem-swap0,werror=stop,rerror=stop,serial=swap0

# In the guest, as root, each time it starts:
#   disk=$(readlink -f /dev/disk/by-id/virtio-swap0)
#   echo 0 > /sys/block/\${disk##*/}/queue/rotational
#   mkswap $disk
#   swapon -d -p 100 $disk
# A guest paused with "io-error" goes on with QMP "cont" once the daemon accepts again.
`,
  );
});

test('libvirt is told the same', () => {
  const { libvirt } = attachLines(disk('/run/tmem/vm1-swap0.nbd'));
  for (const part of [
    "discard='unmap' error_policy='stop' rerror_policy='stop'",
    "<source protocol='nbd' name='vm1/swap0'>",
    "<host transport='unix' socket='/run/tmem/vm1-swap0.nbd'/>",
    "<reconnect delay='60'/>",
    '<serial>swap0</serial>',
    'swapon -d',
    'libvirt 9.0 and older know no reconnect here',
  ])
    assert.ok(libvirt.includes(part), part);
});

test('the kernel’s client stays connected, locked in memory and bounded in time', () => {
  const { nbdClient } = attachLines(disk('/run/tmem/vm1-swap0.nbd'));
  assert.match(
    nbdClient,
    /^nbd-client -unix \/run\/tmem\/vm1-swap0.nbd \/dev\/nbd0 -name vm1\/swap0 -persist -swap -timeout 60 -block-size 4096$/m,
  );
  assert.match(nbdClient, /^echo 0 > \/sys\/block\/.*rotational$/m);
});

test('the document holds every line whole', () => {
  const { document, libvirt } = attachLines(disk('/run/tmem/vm1-swap0.nbd'));
  assert.deepEqual([document.v, document.export, document.qemu.args.length], [1, 'vm1/swap0', 4]);
  assert.ok(libvirt.startsWith(document.libvirt.xml));
  assert.equal(document.guest.commands.at(-1), 'swapon -d -p 100 $disk');
});

test('odd characters in a path reach QEMU, the shell and XML as they are', () => {
  const lines = attachLines(disk("/tmp/a, b's/x.nbd"));
  assert.ok(lines.document.qemu.args[1]!.includes("server.path=/tmp/a,, b's/x.nbd,"));
  assert.match(lines.qemu, /^-blockdev 'driver=.*\/tmp\/a,, b'\\''s\/x\.nbd,/);
  assert.ok(lines.libvirt.includes("socket='/tmp/a, b&apos;s/x.nbd'"));
});

function disk(socket: string): StatusExport {
  return {
    name: 'vm1/swap0',
    mode: 'swap',
    socket,
    uri: `nbd+unix:///vm1/swap0?socket=${socket}`,
    size_bytes: 2 ** 30,
    connections: 0,
    stored_pages: 0,
    same_filled_pages: 0,
    stored_bytes: 0,
    spilled_pages: null,
    dedup_domain: null,
    dedup_pages: 0,
    reads: 0,
    writes: 0,
    trims: 0,
    flushes: 0,
    errors: 0,
  };
}
