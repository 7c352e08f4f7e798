#!/bin/sh
# Installs from Debian (or Ubuntu) what the tests beside `npm test` need, and fetches a kernel for their guests.
# Does nothing, quickly, where all is there. Needs root only when a package is missing; else says what to type.
set -eu

# package, and a file or program by which it is known to be there
wanted='
qemu-system-x86    qemu-system-x86_64
qemu-utils         qemu-nbd
nbdkit             nbdkit
libnbd-bin         nbdinfo
fio                fio
busybox-static     busybox
gcc                gcc
libc6-dev          /usr/include/stdio.h
liblz4-dev         /usr/include/lz4.h
nbd-client         nbd-client
'

PATH=$PATH:/usr/sbin:/sbin

missing_of() {
  echo "$1" | while read -r package sign; do
    [ -n "$package" ] || continue
    case $sign in
      /*) [ -e "$sign" ] || echo "$package" ;;
      *) command -v "$sign" > /dev/null || echo "$package" ;;
    esac
  done
}

missing=$(missing_of "$wanted" | tr '\n' ' ')
# A busybox that is there may need libraries, which a guest does not have.
if command -v busybox > /dev/null && ldd "$(command -v busybox)" > /dev/null 2>&1; then missing="$missing busybox-static"; fi

if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "install-debian: missing $missing; type: sudo apt-get install -y --no-install-recommends $missing" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  # shellcheck disable=SC2086 # a list of words
  apt-get -qq install -y --no-install-recommends $missing > /dev/null
fi

node "$(dirname "$0")/fetch-guest-kernel.mjs"
