/**
 * One Linux guest: QEMU under TCG, a kernel, an initramfs made for it, at most one swap disk.
 *
 *     boot ──► lines on the console ──► reports (tagged lines) ──► exit
 *                        ▲                    │
 *                command('stop')        waitFor('HOG', 'done')
 *
 * A guest always ends: by itself, at its limit of seconds, by {@link Guest.close}, or with this process.
 */

import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { TmemError } from '../base/errors.js';
import { findKernel, type GuestKernel } from './find-kernel.js';
import { findQemu } from './find-qemu.js';
import type { GuestParameters } from './guest-init.js';
import { guestProgram } from './guest-program.js';
import { type InitramfsOptions, makeInitramfs } from './initramfs.js';
import { qemuArguments, type SwapDisk } from './qemu-line.js';
import { readReport, type Report } from './report-line.js';
import { ended, spawnTethered, type TetheredProcess } from './tethered.js';

export interface GuestOptions {
  readonly memoryMib: number;
  readonly swap?: SwapDisk;
  /** Names beyond those of a swap guest reach its script. Values hold no spaces. */
  readonly parameters: Partial<GuestParameters> & Readonly<Record<string, string | number>>;
  /** Killed after this long. Default 170. */
  readonly limitSeconds?: number;
  readonly initramfs?: InitramfsOptions;
  /** Arguments added to QEMU's. */
  readonly qemu?: readonly string[];
  readonly kernel?: GuestKernel;
}

interface GuestEvents {
  line: [line: string];
  report: [report: Report];
  exit: [];
}

const DEFAULTS: GuestParameters = {
  mode: 'swap',
  workload: 'hog',
  mib: 160,
  seconds: 0,
  rounds: 0,
  seed: 1,
  fill: 'mixed',
  linger: 0,
  limit: 0,
};

/** Console lines kept for error messages. */
const LINES_KEPT = 30;

export class Guest extends EventEmitter<GuestEvents> {
  /** Process id of QEMU. */
  readonly pid: number;
  /** QMP socket, for one client. */
  readonly qmp: string;
  readonly workload: 'hog' | 'awk';
  /** Every report so far, in order. */
  readonly reports: Report[] = [];
  /** Whether QEMU is gone. */
  ended = false;
  readonly #child: TetheredProcess;
  readonly #folder: string;
  readonly #lastLines: string[] = [];

  /**
   * Starts a guest; it boots while the promise of its first report is awaited.
   *
   * @throws {TmemError} E_MISSING_TOOL
   */
  constructor(options: GuestOptions) {
    super();
    const { limitSeconds = 170, kernel = findKernel(), swap, qemu = [] } = options;
    const hog = options.parameters.workload === 'awk' ? undefined : guestProgram('hog');
    const workload = options.parameters.workload ?? (hog === undefined ? 'awk' : 'hog');
    const parameters = { ...DEFAULTS, limit: limitSeconds, ...options.parameters, workload };
    const programs = { ...(hog === undefined ? {} : { hog }), ...options.initramfs?.programs };
    const initramfs = makeInitramfs(kernel, { ...options.initramfs, programs });
    this.workload = workload;
    // Short, because the path of a Unix socket holds 107 bytes.
    this.#folder = mkdtempSync(path.join(tmpdir(), 'tmem-guest-'));
    this.qmp = path.join(this.#folder, 'qmp');
    const initramfsFile = path.join(this.#folder, 'initramfs.gz');
    writeFileSync(initramfsFile, initramfs);
    const { image: kernelImage } = kernel;
    const machine = { memoryMib: options.memoryMib, kernelImage, initramfs: initramfsFile, qmp: this.qmp, parameters };
    const line = qemuArguments({ ...machine, ...(swap === undefined ? {} : { swap }), more: qemu });
    this.#child = spawnTethered(findQemu(), line, { limitSeconds });
    this.pid = this.#child.pid ?? -1;
    this.#listen();
  }

  /**
   * The first report with this tag and word, which may already have come.
   *
   * @throws {TmemError} E_INTERNAL when the guest ends without it; the message ends with its last console lines
   */
  async waitFor(tag: string, word: string, when: (report: Report) => boolean = () => true): Promise<Report> {
    const wanted = (report: Report): boolean => report.tag === tag && report.word === word && when(report);
    const already = this.reports.find(wanted);
    if (already !== undefined) return already;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.off('report', onReport);
        this.off('exit', onExit);
      };
      const onReport = (report: Report): void => {
        if (!wanted(report)) return;
        settle();
        resolve(report);
      };
      const onExit = (): void => {
        settle();
        reject(
          new TmemError('E_INTERNAL', `the guest ended without "${tag} ${word}"; its last lines:\n${this.lastLines()}`),
        );
      };
      this.on('report', onReport);
      this.on('exit', onExit);
      if (this.ended) onExit();
    });
  }

  /** The latest report with this tag and word. */
  latest(tag: string, word: string): Report | undefined {
    return this.reports.findLast((report) => report.tag === tag && report.word === word);
  }

  /** One line to the guest's init, such as `stop`, which ends the workload in good order. */
  command(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  lastLines(): string {
    return this.#lastLines.map((line) => `  | ${line}`).join('\n');
  }

  /** Resolves when QEMU is gone. */
  async exited(): Promise<void> {
    await ended(this.#child);
  }

  /** Kills the guest if it still runs and removes its files. May be called again. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #listen(): void {
    const lines = createInterface({ input: this.#child.stdout });
    lines.on('line', (raw) => this.#take(raw.replaceAll('\r', '')));
    // What QEMU itself complains about.
    createInterface({ input: this.#child.stderr }).on('line', (line) => this.#take(`qemu: ${line}`));
    const onEnd = (): void => {
      this.ended = true;
      this.emit('exit');
    };
    // 'close' and not 'exit': after the last byte of the console.
    this.#child.once('close', onEnd);
    this.#child.once('error', (error) => {
      this.#take(`qemu: ${error.message}`);
    });
  }

  #take(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LINES_KEPT) this.#lastLines.shift();
    this.emit('line', line);
    const report = readReport(line);
    if (report === undefined) return;
    this.reports.push(report);
    this.emit('report', report);
  }
}
