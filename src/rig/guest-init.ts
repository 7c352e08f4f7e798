/**
 * What runs as process 1 in a guest: two shell scripts for busybox.
 *
 * The swap under test must hold the workload's pages and nothing else. A page of a shell in the middle of a 2 MiB
 * cluster of slots would keep the kernel from ever discarding it, and a shell that got a wrong page back would take
 * the guest down before the workload can tell. So:
 *
 * - the root file system is ramfs (`rootfstype=ramfs` on the kernel's command line), whose pages never swap;
 * - the modules are removed once loaded;
 * - everything but the workload lives in a control group without swap. Memory stays charged to the group in which it
 *   was touched, so `init` moves itself over and then becomes a new program, `init.main`.
 *
 * Parameters come as `name=value` on the kernel's command line, which the kernel passes to init's environment.
 */

/** Parameters of {@link GUEST_MAIN}, all strings without spaces. */
export interface GuestParameters {
  /** `swap`: swap on the disk `preswap` and run the workload. `script`: run the script given with the initramfs. */
  readonly mode: 'swap' | 'script';
  /** `hog`: the compiled program. `awk`: the one of guest-hog.ts, which needs no compiler. */
  readonly workload: 'hog' | 'awk';
  readonly mib: number;
  /** 0: no limit. */
  readonly seconds: number;
  /** 0: no limit. */
  readonly rounds: number;
  readonly seed: number;
  readonly fill: 'mixed' | 'random';
  /** Seconds between the workload's end and power-off, for the host to look at what is freed. */
  readonly linger: number;
  /** Seconds after which the guest powers off whatever happens. */
  readonly limit: number;
}

/** First program: mounts, modules, control groups. */
export const GUEST_INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /group
echo +memory > /group/cgroup.subtree_control
mkdir /group/fixed /group/load
echo 0 > /group/fixed/memory.swap.max
echo $$ > /group/fixed/cgroup.procs
for module in /module/*.ko; do insmod "$module" || echo "GUEST failed at=$module"; done
rm -r /module
exec sh /init.main
`;

/** Second program: the swap disk, the workload, the last words. */
export const GUEST_MAIN = `#!/bin/sh
fail() { echo "GUEST failed at=$1"; sync; poweroff -f; sleep 9; }
( sleep "$limit"; echo "GUEST limit seconds=$limit"; poweroff -f ) &

if [ "$mode" = script ]; then . /script; poweroff -f; sleep 9; fi

# The disk is told by its serial number, not by its place: other disks may stand before it.
disk=
for try in $(seq 100); do
  for block in /sys/block/vd*; do
    [ "$(cat "$block/serial" 2>/dev/null)" = preswap ] && disk=\${block##*/}
  done
  [ -n "$disk" ] && break
  sleep 0.1
done
[ -n "$disk" ] || fail disk

# A virtio disk looks rotational, and Linux discards freed slots on others only.
echo 0 > "/sys/block/$disk/queue/rotational"
mkswap "/dev/$disk" > /dev/null || fail mkswap
swapon -d "/dev/$disk" || fail swapon
echo "GUEST swap disk=$disk kib=$(sed -n 's/^SwapTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo)"

if [ "$workload" = hog ]; then
  set -- /bin/hog "mib=$mib" "seconds=$seconds" "rounds=$rounds" "seed=$seed" "fill=$fill"
else
  set -- /bin/awk -f /hog.awk
fi
sh -c 'echo $$ > /group/load/cgroup.procs; exec "$@"' load "$@" &
load=$!
# One command a line comes over the console.
( while read -r line; do
  case "$line" in
    # The one program is told by a signal, the other by a file.
    *stop*) echo > /stop; [ "$workload" != hog ] || kill -TERM $load ;;
    # Asked while the disk does not answer, when memory for a new process may have to wait for it: the shell alone.
    *waiting*)
      read -r reads writes < "/sys/block/$disk/inflight"
      echo "GUEST waiting ask=\${line##* } reads=$reads writes=$writes" ;;
  esac
done < /dev/ttyS0 ) &
wait $load
echo "GUEST exit status=$?"
swapped() { sed -n "s/^$1 //p" /proc/vmstat; }
echo "GUEST swapped pswpin=$(swapped pswpin) pswpout=$(swapped pswpout)"
sleep "$linger"
echo "GUEST bye"
poweroff -f
sleep 9
`;
