/**
 * Servers that a guest can swap on, under one face, so that one test runs against ours and against others. The others
 * prove the rig: a server on a plain file passes the same tests, a server that forgets fails them.
 */

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended, spawnTethered, type TetheredProcess } from '../../src/rig/tethered.js';
import { TmemProcess } from '../../src/rig/tmem-process.js';

export interface SwapServer {
  readonly socket: string;
  readonly exportName: string;
  /** First start, or a start after a kill on the same socket and the same pages. Resolves when the socket accepts. */
  start(): Promise<void>;
  /** SIGKILL, after 200 ms of SIGSTOP: a guest that swaps then has requests unanswered. */
  kill9(): Promise<void>;
  /** Loses all pages, between a kill and a start: what must never happen, done on purpose. */
  forget(): void;
  /** READ requests answered since the first start, over all restarts (each is a page or more); null: not counted. */
  pageReads(): Promise<number | null>;
  /** Pages the server holds now; null: not known. */
  storedPages(): Promise<number | null>;
  /** Bytes that the pages take up on the host now; null: not known. */
  occupiedBytes(): Promise<number | null>;
  close(): Promise<void>;
}

/** Tools that {@link swapServer} needs. */
export const SWAP_SERVER_NEEDS: readonly string[] =
  process.env['TMEM_SWAP_SERVER'] === undefined ? [] : [process.env['TMEM_SWAP_SERVER']];

/** Ours; or the one that `TMEM_SWAP_SERVER` names (`qemu-nbd`, `nbdkit`), to try a test against it. */
export function swapServer(): SwapServer {
  const name = process.env['TMEM_SWAP_SERVER'];
  if (name === 'qemu-nbd') return qemuNbdServer();
  if (name === 'nbdkit') return nbdkitServer();
  assert.equal(name, undefined, 'TMEM_SWAP_SERVER is qemu-nbd, nbdkit or not set');
  return tmemServer();
}

const FROZEN_MS = 200;

/** Longer than a guest test lasts. */
const LIMIT_SECONDS = 460;

const SIZE_BYTES = 1024 ** 3;

export function tmemServer(): SwapServer {
  const daemon = new TmemProcess({ capacity: '256M', limitSeconds: LIMIT_SECONDS });
  const exportName = 'guest0/swap0';
  /** Of the processes killed so far: counters start at zero with each. */
  let formerReads = 0;
  const ours = async () => {
    const status = await daemon.status();
    const found = status.exports.find(({ name }) => name === exportName);
    assert.ok(found, `status lists ${exportName}`);
    return { ...found, occupied: status.arena.occupied_bytes };
  };
  return {
    socket: path.join(daemon.runDir, 'guest0-swap0.nbd'),
    exportName,
    start: async () => void (await daemon.start()),
    kill9: async () => {
      formerReads += (await ours()).reads;
      await daemon.kill9(FROZEN_MS);
    },
    forget: () => {
      for (const name of readdirSync(daemon.arena)) rmSync(path.join(daemon.arena, name), { recursive: true });
    },
    pageReads: async () => formerReads + (await ours()).reads,
    storedPages: async () => (await ours()).stored_pages,
    occupiedBytes: async () => (await ours()).occupied,
    close: () => daemon.close(),
  };
}

/** QEMU's server on a sparse file in tmpfs: keeps pages over a kill, frees what is discarded, counts nothing. */
export function qemuNbdServer(): SwapServer {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-swap-'));
  const pages = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : folder, 'tmem-swap-'));
  const file = path.join(pages, 'swap.raw');
  const socket = path.join(folder, 'swap0.nbd');
  const blank = (): void => {
    writeFileSync(file, '');
    truncateSync(file, SIZE_BYTES);
  };
  blank();
  const line = ['-t', '-e', '8', '-f', 'raw', '--discard=unmap', '-x', 'swap0', '-k', socket, file];
  const server = plainServer('qemu-nbd', line, socket, [folder, pages]);
  // Blocks of 512 bytes; a tmpfs file holds what was written.
  const bytes = (): number => statSync(file).blocks * 512;
  return {
    ...server,
    forget: blank,
    pageReads: async () => null,
    storedPages: async () => Math.ceil(bytes() / 4096),
    occupiedBytes: async () => bytes(),
  };
}

/** nbdkit's memory disk: forgets everything when it dies, and logs each request. */
export function nbdkitServer(): SwapServer {
  const folder = mkdtempSync(path.join(tmpdir(), 'tmem-swap-'));
  const socket = path.join(folder, 'swap0.nbd');
  const log = path.join(folder, 'requests.log');
  const line = ['-f', '-U', socket, '--filter=log', 'memory', '1G', `logfile=${log}`, 'logappend=true'];
  return {
    ...plainServer('nbdkit', line, socket, [folder]),
    forget: () => undefined,
    pageReads: async () => readFileSync(log, 'latin1').split(' Read id=').length - 1,
    storedPages: async () => null,
    occupiedBytes: async () => null,
  };
}

function plainServer(
  command: string,
  line: readonly string[],
  socket: string,
  folders: readonly string[],
): Pick<SwapServer, 'socket' | 'exportName' | 'start' | 'kill9' | 'close'> {
  let child: TetheredProcess | undefined;
  const kill = async (): Promise<void> => {
    if (child === undefined) return;
    child.kill('SIGKILL');
    await ended(child);
  };
  return {
    socket,
    exportName: 'swap0',
    start: async () => {
      // Neither of them starts over the socket of one that was killed.
      rmSync(socket, { force: true });
      child = spawnTethered(command, line, { limitSeconds: LIMIT_SECONDS });
      child.stdout.resume();
      child.stderr.resume();
      for (let waited = 0; !existsSync(socket); waited += 20) {
        assert.ok(waited < 10_000 && child.exitCode === null, `${command} listens on ${socket}`);
        await sleep(20);
      }
    },
    kill9: async () => {
      child?.kill('SIGSTOP');
      await sleep(FROZEN_MS);
      await kill();
    },
    close: async () => {
      await kill();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}
