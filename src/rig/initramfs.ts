import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { cpioArchive, type CpioEntry } from './cpio.js';
import type { GuestKernel } from './find-kernel.js';
import { AWK_HOG } from './guest-hog.js';
import { GUEST_INIT, GUEST_MAIN } from './guest-init.js';
import { modulesInOrder, SWAP_GUEST_MODULES } from './kernel-modules.js';
import { MissingTool } from './missing-tool.js';
import { findTool } from './tools.js';

export interface InitramfsOptions {
  /** More modules than a swap guest needs. */
  readonly modules?: readonly string[];
  /** Programs by the name they get in the guest's `/bin`. */
  readonly programs?: Readonly<Record<string, Uint8Array>>;
  /** Shared libraries and their loader, by their path in the guest, for programs that are not static. */
  readonly libraries?: Readonly<Record<string, Uint8Array>>;
  /** Script for busybox's shell that `mode=script` runs. */
  readonly script?: string;
}

const EMPTY_FOLDERS = ['bin', 'dev', 'proc', 'sys', 'group', 'module'];

/**
 * All that a guest has: busybox, the modules, the scripts and the given programs, as a gzipped initramfs of about
 * 2 MiB. Takes a few hundred milliseconds.
 *
 * @throws {TmemError} E_MISSING_TOOL
 */
export function makeInitramfs(kernel: GuestKernel, options: InitramfsOptions = {}): Uint8Array {
  const { modules = [], programs = {}, libraries = {}, script = '' } = options;
  const ordered = modulesInOrder(kernel.modules, [...SWAP_GUEST_MODULES, ...modules]);
  const entries: CpioEntry[] = [
    ...EMPTY_FOLDERS.map((path): CpioEntry => ({ path, kind: 'folder' })),
    { path: 'bin/busybox', kind: 'file', bytes: readFileSync(findBusybox()), executable: true },
    { path: 'init', kind: 'file', bytes: Buffer.from(GUEST_INIT), executable: true },
    { path: 'init.main', kind: 'file', bytes: Buffer.from(GUEST_MAIN) },
    { path: 'script', kind: 'file', bytes: Buffer.from(script) },
    { path: 'hog.awk', kind: 'file', bytes: Buffer.from(AWK_HOG) },
    ...Object.entries(programs).map(([name, bytes]): CpioEntry => ({
      path: `bin/${name}`,
      kind: 'file',
      bytes,
      executable: true,
    })),
    ...foldersOf(Object.keys(libraries)).map((path): CpioEntry => ({ path, kind: 'folder' })),
    ...Object.entries(libraries).map(([path, bytes]): CpioEntry => ({
      path: path.slice(1),
      kind: 'file',
      bytes,
      executable: true,
    })),
    // The number keeps the shell's alphabetical order that of loading.
    ...ordered.map(({ name, bytes }, at): CpioEntry => {
      return { path: `module/${String(at).padStart(2, '0')}-${name}.ko`, kind: 'file', bytes };
    }),
  ];
  return gzipSync(cpioArchive(entries), { level: 1 });
}

/** Every folder above these absolute paths, parents first, without leading slash. */
function foldersOf(paths: readonly string[]): string[] {
  const folders = paths.flatMap((path) => {
    const names = path.split('/').slice(1, -1);
    return names.map((_, at) => names.slice(0, at + 1).join('/'));
  });
  return [...new Set(folders)];
}

/**
 * Path of a busybox that runs without libraries.
 *
 * @throws {MissingTool}
 */
export function findBusybox(): string {
  const found = findTool('busybox');
  if (found === undefined || !isStatic(found))
    throw new MissingTool('no static busybox on PATH', 'apt-get install busybox-static');
  return found;
}

/** A dynamic program names its loader; `PT_INTERP` (type 3) among the program headers of a 64-bit ELF file. */
function isStatic(program: string): boolean {
  const elf = readFileSync(program);
  const start = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  for (let at = 0; at < count; at++) if (elf.readUInt32LE(start + at * size) === 3) return false;
  return true;
}
