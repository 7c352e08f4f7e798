/**
 * A guest kernel that somebody names. Its version is in the file, and says which modules belong to it:
 *
 *     bzImage, from the boot protocol of x86 (Linux, Documentation/arch/x86/boot.rst):
 *      0x202  "HdrS"
 *      0x20e  where the version stands, less 0x200 (16 bits) ──► "6.1.0-56-cloud-amd64 (debian-kernel@…) #1 …\0"
 */

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { systemCode, TmemError } from '../base/errors.js';
import type { GuestKernel } from './find-kernel.js';

const MAGIC_AT = 0x202;
const VERSION_POINTER_AT = 0x20e;
const POINTER_BASE = 0x200;

/** The version stands within the setup code, which has at most 64 sectors. */
const HEAD_BYTES = 65 * 512;

/**
 * The kernel in `file`, with the modules of its version: beside the kernel (`/lib/modules/VERSION/vmlinuz`), in the tree
 * where it stands (`ROOT/boot/vmlinuz`, `ROOT/lib/modules/VERSION`), or this host's.
 *
 * @throws {TmemError} E_NOT_FOUND where there is no such file, no kernel in it, or no modules for it; E_DENIED
 */
export function kernelFromFile(file: string): GuestKernel {
  const image = path.resolve(file);
  const version = versionOf(image);
  const folder = path.dirname(image);
  const places = [
    folder,
    ...[path.dirname(folder), '/', '/usr'].map((root) => path.join(root, 'lib/modules', version)),
  ];
  const modules = places.find((place) => isFolder(path.join(place, 'kernel')));
  if (modules === undefined)
    throw new TmemError(
      'E_NOT_FOUND',
      `no modules of Linux ${version} for ${image} in ${places.slice(1).join(', ')}: put them there, or name another kernel`,
    );
  return { version, image, modules };
}

function versionOf(image: string): string {
  const head = readHead(image);
  if (head.length < POINTER_BASE + 64 || head.toString('latin1', MAGIC_AT, MAGIC_AT + 4) !== 'HdrS')
    throw new TmemError('E_NOT_FOUND', `${image} is no Linux kernel for x86: name a bzImage, such as /boot/vmlinuz`);
  const start = head.readUInt16LE(VERSION_POINTER_AT) + POINTER_BASE;
  const version = /^[\w.+~-]+/.exec(head.toString('latin1', start, start + 128))?.[0];
  if (version === undefined)
    throw new TmemError('E_NOT_FOUND', `${image} does not say which version of Linux it is: name another kernel`);
  return version;
}

function readHead(image: string): Buffer {
  try {
    const opened = openSync(image, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return head.subarray(0, readSync(opened, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(opened);
    }
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EACCES')
      throw new TmemError('E_DENIED', `may not read the kernel ${image}: copy it, or ask root for the right`, {
        cause: error,
      });
    throw new TmemError(
      'E_NOT_FOUND',
      `cannot read a kernel from ${image} (${code ?? String(error)}): name a bzImage`,
      {
        cause: error,
      },
    );
  }
}

function isFolder(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
}
