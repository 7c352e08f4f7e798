/**
 * Finds a kernel for guests together with its modules: first what `scripts/fetch-guest-kernel.mjs` put into the
 * cache, then the kernels of this host.
 *
 *     CACHE/guest/boot/vmlinuz-VERSION   CACHE/guest/lib/modules/VERSION/
 *     /boot/vmlinuz-VERSION              /lib/modules/VERSION/
 *
 * A kernel without its modules is passed over: the disk of a guest is virtio, which every distribution's kernel
 * keeps in modules. So is one that we may not read, which is how Ubuntu installs them.
 */

import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { MissingTool } from './missing-tool.js';
import { cacheFolder, projectFolder } from './tools.js';

export interface GuestKernel {
  readonly version: string;
  /** Path of the bzImage. */
  readonly image: string;
  /** Path of the folder `lib/modules/VERSION`. */
  readonly modules: string;
}

/**
 * @param roots - folders that hold `boot/` and `lib/modules/`, the preferred first
 * @throws {MissingTool}
 */
export function findKernel(roots: readonly string[] = [path.join(cacheFolder(), 'guest'), '/']): GuestKernel {
  const found = lookForKernel(roots);
  if (found === undefined)
    throw new MissingTool(`no Linux kernel with modules in ${roots.join(' or ')}`, howToGetOne());
  return found;
}

function lookForKernel(roots: readonly string[]): GuestKernel | undefined {
  for (const root of roots) {
    const versions = namesIn(path.join(root, 'boot'))
      .filter((name) => name.startsWith('vmlinuz-'))
      .map((name) => name.slice('vmlinuz-'.length))
      .toSorted(newestFirst);
    for (const version of versions) {
      const image = path.join(root, 'boot', `vmlinuz-${version}`);
      const modules = path.join(root, 'lib/modules', version);
      if (isReadable(image) && namesIn(modules).includes('kernel')) return { version, image, modules };
    }
  }
  return undefined;
}

/** An installed package carries no scripts. */
function howToGetOne(): string {
  const script = 'scripts/fetch-guest-kernel.mjs';
  return existsSync(path.join(projectFolder(), script)) ? `node ${script}` : 'apt-get install linux-image-cloud-amd64';
}

function newestFirst(a: string, b: string): number {
  return b.localeCompare(a, 'en', { numeric: true });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
