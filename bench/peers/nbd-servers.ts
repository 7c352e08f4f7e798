/** NBD servers as a bench meets them: started with the options that their manuals begin with, on a disk of 1 GiB. */
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { diskFolder } from '../../test/support/disk-places.js';
import { ended, spawnTethered } from '../../src/rig/tethered.js';
import { TmemProcess } from '../../src/rig/tmem-process.js';
import { buildPeer } from './build-peer.js';
import { Scraper } from './scraper.js';

export interface NbdServer {
  readonly name: string;
  /** Without the names of folders. */
  readonly commandLine: string;
  readonly socket: string;
  /** Ends it and removes what it kept. */
  close(): Promise<void>;
}

const LIMIT_SECONDS = 1200;
const START_MS_MAX = 10_000;
const DISK_BYTES = 2 ** 30;

export interface TmemServer extends NbdServer {
  readonly daemon: TmemProcess;
  readonly pid: number;
  /** Of the first disk of each guest; the first is `socket`. */
  readonly sockets: readonly string[];
  /** Of the second disk of each guest, where everything is on. */
  readonly others: readonly string[];
  /** Answers to the scraper that runs where everything is on. */
  readonly scraped: () => number;
}

export interface TmemOptions {
  /** Of each disk; else 1 GiB, as by default. */
  readonly diskBytes?: number;
  /** How many, with a disk each; else one, and the default config where the disk is as well. */
  readonly guests?: number;
  /** How many; else one. */
  readonly workers?: number;
  /** Else that of the default config. */
  readonly capacity?: string;
  /** A folder on a disk; else on tmpfs. */
  readonly arenaIn?: string;
  /** What a daemon may be configured to do besides: a second disk for each guest, a spill file behind every disk where there
   * is a disk for it, and metrics asked for each second. */
  readonly everything?: boolean;
}

/** Ours, by default: LZ4, hashes checked at every read, everything in files before it is answered. */
export async function startTmem(options: TmemOptions = {}): Promise<TmemServer> {
  const { diskBytes = DISK_BYTES, guests = 1, workers = 1, capacity, arenaIn, everything = false } = options;
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-bench-'));
  const disks = everything ? ['swap0', 'swap1'] : ['swap0'];
  const place = everything ? diskFolder() : undefined;
  const spills = place === undefined ? undefined : mkdtempSync(path.join(place, 'tmem-bench-spill-'));
  const more: string[] = [];
  if (diskBytes !== DISK_BYTES || guests !== 1 || workers !== 1 || everything) {
    const config = path.join(folder, 'tmem.toml');
    const lines = Array.from({ length: guests }, (_, guest) =>
      disks.flatMap((disk) => diskLines(guest, disk, diskBytes, spills)),
    );
    writeFileSync(config, [`workers = ${workers}`, ...lines.flat()].join('\n'));
    more.push('--config', config);
  }
  const daemon = new TmemProcess({
    limitSeconds: LIMIT_SECONDS,
    more,
    ...(capacity !== undefined && { capacity }),
    ...(arenaIn !== undefined && { arenaIn }),
  });
  let scraper: Scraper | undefined;
  const close = async (): Promise<void> => {
    scraper?.close();
    await daemon.close();
    for (const each of [folder, spills]) if (each !== undefined) rmSync(each, { recursive: true, force: true });
  };
  try {
    const { exports } = await daemon.start();
    if (everything) scraper = new Scraper(daemon.runDir);
    const socketsOf = (disk: string): string[] =>
      exports.filter(({ name }) => name.endsWith(disk)).map(({ socket }) => socket);
    const sockets = more.length === 0 ? exports.map(({ socket }) => socket) : socketsOf('/swap0');
    const each = `${guests === 1 ? '' : `${guests} guests, each `}${disks.length === 1 ? 'a disk' : '2 disks'} of ${diskBytes} bytes`;
    const one = workers === 1 ? '' : `workers = ${workers}, `;
    const words = `${one}${each}${everything ? `${spills === undefined ? '' : ', a spill file each'}, metrics each second` : ''}`;
    return {
      name: 'tmem',
      commandLine: `tmem serve --http off${arenaIn === undefined ? '' : ' --arena DISK'}${more.length === 0 ? '' : ` (${words})`}`,
      socket: sockets[0]!,
      sockets,
      others: socketsOf('/swap1'),
      scraped: () => scraper?.answers ?? 0,
      daemon,
      pid: daemon.pid!,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function diskLines(guest: number, disk: string, bytes: number, spills: string | undefined): string[] {
  const spill = spills === undefined ? [] : [`spill = "${path.join(spills, `guest${guest}-${disk}.spill`)}"`];
  return [`[guest.guest${guest}.swap.${disk}]`, `size = ${bytes}`, ...spill];
}

/** Pages as they are, in arrays that grow: the fastest there is. */
export function startNbdkit(): Promise<NbdServer> {
  return startPeer('nbdkit', 'nbdkit', ({ socket }) => ['-f', '-U', socket, 'memory', '1G']);
}

/** Pages as they are, in a raw file in this folder. */
export function startNbdkitFile(folder: string): Promise<NbdServer> {
  return startPeer('nbdkit file', 'nbdkit', ({ socket, disk }) => ['-f', '-U', socket, 'file', disk()], folder);
}

/** The same, compressed in blocks of 32 KiB. */
export function startNbdkitZstd(): Promise<NbdServer> {
  return startPeer('nbdkit zstd', 'nbdkit', ({ socket }) => ['-f', '-U', socket, 'memory', '1G', 'allocator=zstd']);
}

/** The work of ours, compressed and checked, in C and with nothing around it: `nbd-limit.c`. */
export function startNbdLimit(): Promise<NbdServer> {
  const program = buildPeer('nbd-limit', ['lz4']);
  return startPeer('the same work in C', program, ({ socket, arena }) => [socket, arena, String(DISK_BYTES)]);
}

export function startQemuNbd(): Promise<NbdServer> {
  return startPeer('qemu-nbd', 'qemu-nbd', ({ socket, disk }) => [
    '-t',
    '-f',
    'raw',
    '--cache=writeback',
    '--discard=unmap',
    '-k',
    socket,
    disk(),
  ]);
}

export function startQemuStorageDaemon(): Promise<NbdServer> {
  return startPeer('qemu-storage-daemon', 'qemu-storage-daemon', ({ socket, disk }) => [
    '--blockdev',
    `driver=file,node-name=disk,filename=${disk()},discard=unmap`,
    '--nbd-server',
    `addr.type=unix,addr.path=${socket}`,
    '--export',
    'type=nbd,id=disk,node-name=disk,name=,writable=on',
  ]);
}

interface PeerPlaces {
  readonly socket: string;
  /** A sparse raw file on tmpfs, made when it is asked for. */
  readonly disk: () => string;
  /** Where on tmpfs a file may be made. */
  readonly arena: string;
}

/** @param pagesIn - where its pages are kept; else on tmpfs where there is one */
async function startPeer(
  name: string,
  tool: string,
  line: (places: PeerPlaces) => string[],
  pagesIn?: string,
): Promise<NbdServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-bench-'));
  const place = pagesIn ?? (existsSync('/dev/shm') ? '/dev/shm' : folder);
  const pages = mkdtempSync(path.join(place, 'tmem-bench-'));
  const socket = path.join(folder, 'nbd.sock');
  const disk = (): string => blankDisk(path.join(pages, 'disk.raw'));
  const args = line({ socket, disk, arena: path.join(pages, 'arena') });
  const child = spawnTethered(tool, args, { limitSeconds: LIMIT_SECONDS });
  child.stdout.resume();
  child.stderr.pipe(process.stderr);
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended(child);
    for (const each of [folder, pages]) rmSync(each, { recursive: true, force: true });
  };
  for (let waited = 0; !existsSync(socket); waited += 20) {
    if (waited >= START_MS_MAX || child.exitCode !== null) {
      await close();
      throw new Error(`${tool} does not listen`);
    }
    await sleep(20);
  }
  const commandLine = [path.basename(tool), ...args]
    .join(' ')
    .replaceAll(`${folder}/`, '')
    .replaceAll(`${pages}/`, pagesIn === undefined ? '/dev/shm/' : 'DISK/');
  return { name, commandLine, socket, close };
}

function blankDisk(file: string): string {
  writeFileSync(file, '');
  truncateSync(file, DISK_BYTES);
  return file;
}
