/**
 * Which kernel modules a guest needs, in an order in which `insmod` takes them.
 *
 * `modules.dep` is written when a kernel is installed, and the guest kernel never is. So dependencies are read from
 * where depmod reads them, the section `.modinfo` of each module, a run of `key=value` strings:
 *
 *     …\0license=GPL\0depends=virtio_ring,virtio\0retpoline=Y\0…
 *
 * Distributions pack modules in three ways: `.ko`, `.ko.xz`, `.ko.zst`. They are unpacked here, because a guest's
 * busybox reads only the first two.
 */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { TmemError } from '../base/errors.js';
import { findTool } from './tools.js';

export interface KernelModule {
  /** With underscores, as the kernel prints it. */
  readonly name: string;
  /** The unpacked object file. */
  readonly bytes: Uint8Array;
}

/** What carries a swap disk, a balloon and a console port. */
export const SWAP_GUEST_MODULES: readonly string[] = ['virtio_pci', 'virtio_blk', 'virtio_balloon'];

const PACKED = /^(?<name>.+)\.ko(?:\.(?<packing>xz|zst))?$/;

/**
 * The wanted modules after everything that they depend on. A module that the kernel has built in is left out.
 *
 * @param folder - `lib/modules/VERSION`
 * @throws {TmemError} E_MISSING_TOOL when a module is nowhere, or packed so that no tool here unpacks it
 */
export function modulesInOrder(folder: string, wanted: readonly string[]): KernelModule[] {
  const files = new Map<string, string>();
  for (const entry of readdirSync(path.join(folder, 'kernel'), { recursive: true, withFileTypes: true })) {
    const name = PACKED.exec(entry.name)?.groups?.['name'];
    if (name !== undefined) files.set(plain(name), path.join(entry.parentPath, entry.name));
  }
  const builtIn = new Set(
    readFileSync(path.join(folder, 'modules.builtin'), 'utf8')
      .split('\n')
      .map((line) => plain(path.basename(line, '.ko'))),
  );
  const ordered = new Map<string, KernelModule>();

  function add(name: string): void {
    if (ordered.has(name) || builtIn.has(name)) return;
    const file = files.get(name);
    if (file === undefined)
      throw new TmemError(
        'E_MISSING_TOOL',
        `no module ${name} in ${folder}; type: node scripts/fetch-guest-kernel.mjs`,
      );
    const bytes = unpack(file);
    for (const dependency of dependenciesOf(bytes)) add(dependency);
    ordered.set(name, { name, bytes });
  }

  for (const name of wanted) add(plain(name));
  return [...ordered.values()];
}

/** Names in the `depends=` string of a module's object file. */
export function dependenciesOf(module: Uint8Array): string[] {
  const bytes = Buffer.from(module.buffer, module.byteOffset, module.byteLength);
  const start = bytes.indexOf('\0depends=');
  if (start === -1) return [];
  const value = bytes.toString('latin1', start + '\0depends='.length, bytes.indexOf(0, start + 1));
  return value
    .split(',')
    .filter((name) => name !== '')
    .map(plain);
}

/** File names and dependency lists disagree about `-` and `_`. */
function plain(name: string): string {
  return name.replaceAll('-', '_');
}

function unpack(file: string): Uint8Array {
  const packing = PACKED.exec(file)?.groups?.['packing'];
  if (packing === undefined) return readFileSync(file);
  const tool = packing === 'xz' ? 'xz' : 'zstd';
  const found = findTool(tool);
  if (found === undefined)
    throw new TmemError(
      'E_MISSING_TOOL',
      `no ${tool} on PATH to unpack ${file}; type: apt-get install ${packing === 'xz' ? 'xz-utils' : 'zstd'}`,
    );
  return execFileSync(found, ['-dcq', file], { maxBuffer: 64 * 1024 * 1024, timeout: 30_000 });
}
