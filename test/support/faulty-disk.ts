/**
 * The disk under the spill files of a real daemon, as bad as a test wants it: slow, hanging, failing, full. What does it
 * is `test/guest/faulty-disk.c`, between the daemon and the C library; the two share a page.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PAGE_BYTES } from '../../src/base/units.js';
import { projectFolder } from '../../src/rig/tools.js';
import { diskFolder } from './disk-places.js';

export interface DiskFaults {
  /** That each call takes longer. */
  readonly delayMs?: number;
  readonly hangs?: boolean;
  readonly fails?: boolean;
  /** Pages that a file may have; what is there already may be written over. */
  readonly roomPages?: number;
}

export interface DiskCalls {
  /** Begun, and not ended. */
  readonly underWay: number;
  readonly reads: number;
  readonly writes: number;
  /** Failed as the test wants it. */
  readonly refused: number;
}

const EIO = 5;

/** Of the shared page: bytes of a number, where the counts begin, and where they end. */
const WORD_BYTES = 4;
const COUNTS_AT = 4 * WORD_BYTES;
const COUNTS_BYTES = 4 * WORD_BYTES;

/** Needs gcc. */
export class FaultyDisk {
  /** Where the files are to be, on a disk where there is one. */
  readonly folder: string = mkdtempSync(path.join(diskFolder() ?? tmpdir(), 'tmem-faulty-'));
  readonly #page: string;
  readonly #library: string;
  readonly #descriptor: number;

  constructor() {
    this.#library = path.join(this.folder, 'faulty-disk.so');
    const source = path.join(projectFolder(), 'test/guest/faulty-disk.c');
    const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-o', this.#library, source, '-ldl'];
    execFileSync('gcc', flags, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 60_000 });
    this.#page = path.join(this.folder, 'faults');
    writeFileSync(this.#page, Buffer.alloc(PAGE_BYTES));
    this.#descriptor = openSync(this.#page, 'r+');
  }

  /** Of a daemon whose files here are to be so. */
  get environment(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, TMEM_TEST_DISK: this.#page };
  }

  /** The path of a spill file on this disk. */
  file(name: string): string {
    return path.join(this.folder, `${name}.spill`);
  }

  /** From now on it is so, and otherwise good. */
  be({ delayMs = 0, hangs = false, fails = false, roomPages = 0 }: DiskFaults): void {
    const wanted = Uint32Array.of(delayMs * 1000, hangs ? 1 : 0, fails ? EIO : 0, roomPages);
    writeSync(this.#descriptor, wanted, 0, COUNTS_AT, 0);
  }

  /** Since the daemon was started. */
  get calls(): DiskCalls {
    const counts = new Uint32Array(COUNTS_BYTES / WORD_BYTES);
    readSync(this.#descriptor, counts, 0, COUNTS_BYTES, COUNTS_AT);
    const [underWay, reads, writes, refused] = counts;
    return { underWay: underWay!, reads: reads!, writes: writes!, refused: refused! };
  }

  /** Before another daemon is started. */
  countAnew(): void {
    writeSync(this.#descriptor, new Uint8Array(COUNTS_BYTES), 0, COUNTS_BYTES, COUNTS_AT);
  }

  remove(): void {
    closeSync(this.#descriptor);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
