import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Guest } from '../../src/rig/guest.js';
import { numberIn } from '../../src/rig/report-line.js';
import { programWithLibraries } from '../support/program-with-libraries.js';
import { GUEST_LIMIT_SECONDS, guestNeeds } from '../support/swap-guest.js';
import { swapServer } from '../support/swap-server.js';

// The Linux kernel is an NBD client too, and a stricter one than QEMU: it knows simple replies only. It needs a kernel
// module that a host or a container need not have, so it runs in a guest, which reaches our socket by TCP:
//
//     nbd.ko, nbd-client ── TCP 10.0.2.100:10809 ── QEMU's user network ── relay ── Unix socket
const ADDRESS = '10.0.2.100';
const PORT = 10809;

/** What the guest does; each step that goes wrong is named. `$name` is the export. */
const SCRIPT = `
bad=0
step() { echo "NBD step name=$1"; }
wrong() { echo "NBD wrong at=$1"; bad=$((bad + 1)); }
sum() { md5sum | cut -d' ' -f1; }
disk=/dev/nbd0 queue=/sys/block/nbd0/queue
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0

step attach
nbd-client -N "$name" ${ADDRESS} ${PORT} $disk -b 512 -t 30 -C 2 || wrong attach
echo "NBD size sectors=$(cat /sys/block/nbd0/size) discard_max=$(cat $queue/discard_max_bytes) fua=$(cat $queue/fua) cache=$(tr ' ' - < $queue/write_cache)"

step write
dd if=/dev/urandom of=/data bs=1M count=8 2> /dev/null
dd if=/data of=$disk bs=64k oflag=direct conv=fsync 2> /dev/null || wrong write
[ "$(dd if=$disk bs=64k count=128 iflag=direct 2> /dev/null | sum)" = "$(sum < /data)" ] || wrong read

step sector
# 512 bytes inside a page: its neighbours stay.
dd if=/data of=$disk bs=512 count=1 skip=7 seek=3 oflag=direct conv=notrunc,fsync 2> /dev/null || wrong sector-write
dd if=/data of=/data bs=512 count=1 skip=7 seek=3 conv=notrunc 2> /dev/null
[ "$(dd if=$disk bs=64k count=128 iflag=direct 2> /dev/null | sum)" = "$(sum < /data)" ] || wrong sector-read

step discard
blkdiscard -o 1048576 -l 2097152 $disk || wrong discard
dd if=/dev/zero of=/data bs=1M count=2 seek=1 conv=notrunc 2> /dev/null
[ "$(dd if=$disk bs=64k count=128 iflag=direct 2> /dev/null | sum)" = "$(sum < /data)" ] || wrong discarded

step filesystem
mkdir -p /mnt
mke2fs -F $disk 65536 > /dev/null 2>&1 || wrong mke2fs
mount -t ext2 $disk /mnt || wrong mount
for file in 1 2 3 4 5 6; do cp /data /mnt/$file || wrong copy; done
umount /mnt || wrong umount
echo 3 > /proc/sys/vm/drop_caches
mount -t ext2 $disk /mnt || wrong mount-again
for file in 1 2 3 4 5 6; do [ "$(sum < /mnt/$file)" = "$(sum < /data)" ] || wrong file-$file; done
umount /mnt

step detach
nbd-client -d $disk > /dev/null || wrong detach
dmesg | grep -E 'nbd0.*(error|timed out)|I/O error' | grep -v -i 'shutting down' | head -3
echo "NBD done bad=$bad"
`;

const skip = guestNeeds('nbd-client', 'ldd');
test("the Linux kernel's own NBD client uses an export over two connections", { skip }, async (t) => {
  const server = swapServer();
  t.after(() => server.close());
  await server.start();
  const relay = path.join(path.dirname(fileURLToPath(import.meta.url)), '../support/relay-main.js');
  const forward = `tcp:${ADDRESS}:${PORT}-cmd:${process.execPath} ${relay} ${server.socket}`;
  const guest = new Guest({
    memoryMib: 192,
    parameters: { mode: 'script', name: server.exportName },
    limitSeconds: GUEST_LIMIT_SECONDS,
    initramfs: { modules: ['virtio_net', 'nbd'], script: SCRIPT, ...programWithLibraries('nbd-client') },
    qemu: ['-netdev', `user,id=net,restrict=on,guestfwd=${forward}`, '-device', 'virtio-net-pci,netdev=net,romfile='],
  });
  t.after(() => guest.close());
  const lines: string[] = [];
  guest.on('line', (line) => lines.push(line));

  const size = await guest.waitFor('NBD', 'size');
  assert.equal(Number(size.fields['sectors']) * 512, 1024 ** 3);
  assert.ok(Number(size.fields['discard_max']) > 0, 'discards are offered');
  assert.equal(size.fields['cache'], 'write-back', 'FLUSH is offered');
  const done = await guest.waitFor('NBD', 'done');
  assert.equal(done.fields['bad'], '0', lines.join('\n'));
  console.log(JSON.stringify({ bad: numberIn(done, 'bad'), ...size.fields }));
});
