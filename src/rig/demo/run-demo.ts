/**
 * `tmem demo`: real Linux guests whose data exceeds their memory swap on a daemon that is killed in the middle.
 *
 *      DemoStore ── tmem serve ◄── QEMU's NBD clients ── DemoGuest, DemoGuest
 *          │ status                                          │ reports
 *          └──────────────► figures ──► Screen ◄─────────────┘
 *
 * The phases play one after the other. A guest or a daemon that ends before its time ends the demo; everything that was
 * started ends with it, in every case.
 */

import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { type ErrorCode, TmemError } from '../../base/errors.js';
import { formatSize } from '../../base/size.js';
import { MIB } from '../../base/units.js';
import { findKernel, type GuestKernel } from '../find-kernel.js';
import { findQemu } from '../find-qemu.js';
import { findBusybox } from '../initramfs.js';
import { kernelFromFile } from '../kernel-file.js';
import { findAll } from '../missing-tool.js';
import { numberIn, readReport } from '../report-line.js';
import { Undo } from '../undo.js';
import { diskPlace } from '../disk-place.js';
import { DemoGuest, GUEST_DATA_MIB, GUEST_MEMORY_MIB } from './demo-guest.js';
import { DemoStore } from './demo-store.js';
import { PHASES } from './phases.js';
import type { DemoReport } from './report.js';
import type { Screen } from './screen.js';
import type { Stage } from './stage.js';

export interface DemoOptions {
  readonly guests: number;
  /** What it should take; a slow machine takes longer. */
  readonly seconds: number;
  /** A bzImage; undefined: the one that is found. */
  readonly kernelFile?: string;
  readonly screen: Screen;
}

/** Arena for each guest: its data takes half of it, and a quarter more is slack. */
const CAPACITY_MIB_PER_GUEST = 96;

/** What a guest has in swap goes to its spill file, most of it. */
const SPILL_MIB_PER_GUEST = GUEST_DATA_MIB;

/** On a slow machine everything takes longer; nothing runs longer than this beyond its time. */
const PATIENCE_SECONDS = 300;

const LOOK_EVERY_MS = 1000;

/** Console lines in an error about a guest: the kernel's, QEMU's, and of the reports these. */
const WORDS_TOLD = 5;
const TROUBLES: ReadonlySet<string> = new Set(['bad', 'failed', 'limit', 'lost']);

/**
 * Plays the demo. SIGINT, SIGTERM and SIGHUP end it, and the process with it, when everything is cleaned up.
 *
 * @throws {TmemError} E_MISSING_TOOL before anything is started; E_ARENA_FULL; E_INTERNAL when a guest or the daemon
 *   ends early
 */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const kernel = requireTools(options.kernelFile);
  const undo = new Undo();
  const asBefore = undo.onSignals();
  try {
    return await new Demo(options, kernel, undo).play();
  } catch (error) {
    // What fails because of a signal is no news: the process ends when all is undone.
    if (undo.interrupted) await new Promise(() => undefined);
    throw error;
  } finally {
    await undo.run();
    asBefore();
  }
}

function requireTools(kernelFile: string | undefined): GuestKernel {
  const named = kernelFile === undefined ? undefined : kernelFromFile(kernelFile);
  findAll(findQemu, findBusybox, named === undefined ? findKernel : () => undefined);
  return named ?? findKernel();
}

class Demo {
  readonly #options: DemoOptions;
  readonly #kernel: GuestKernel;
  readonly #undo: Undo;
  readonly #began = performance.now();
  readonly #guests: DemoGuest[] = [];
  readonly #spillFolder: string;
  #doing = '';
  #over = false;
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects when something ends that should not. */
  readonly #failure = new Promise<never>((_, reject) => {
    this.#fail = reject;
  });

  constructor(options: DemoOptions, kernel: GuestKernel, undo: Undo) {
    this.#options = options;
    this.#kernel = kernel;
    this.#undo = undo;
    const folder = mkdtempSync(path.join(diskPlace(), 'tmem-demo-'));
    this.#spillFolder = folder;
    undo.add(async () => rmSync(folder, { recursive: true, force: true }));
    // It is waited for in a race, and may come when that is over.
    this.#failure.catch(() => undefined);
  }

  async play(): Promise<DemoReport> {
    const store = this.#makeStore();
    const ready = await store.start();
    const { screen } = this.#options;
    screen.say(
      this.#now(),
      `tmem serve (process ${store.daemon.pid}) keeps pages in ${store.daemon.arena} and may spill to ${this.#spillFolder}`,
    );
    for (const [at, { name, socket }] of ready.exports.entries()) this.#startGuest(at, name, socket);
    const started = this.#guests.map(({ name, guest }) => `${name} (process ${guest.pid})`).join(', ');
    screen.say(
      this.#now(),
      `${started}: Linux ${this.#kernel.version} on QEMU, ${GUEST_MEMORY_MIB} MiB of memory each`,
    );
    const stage = this.#stage(store);
    const looking = setInterval(() => {
      stage.look().catch(this.#fail);
      this.#show(store);
    }, LOOK_EVERY_MS);
    try {
      for (const phase of PHASES) await Promise.race([phase(stage), this.#failure]);
      await stage.look();
      stage.doing('the guests have ended, and give back what they had stored');
    } finally {
      this.#over = true;
      clearInterval(looking);
    }
    return this.#report(stage);
  }

  #makeStore(): DemoStore {
    const { guests, seconds } = this.#options;
    const names = Array.from({ length: guests }, (_, at) => `vm${at + 1}`);
    const capacityMib = guests * CAPACITY_MIB_PER_GUEST;
    const store = new DemoStore({
      name: 'demo',
      capacity: `${capacityMib}M`,
      config: names.map((name) => this.#configOf(name)).join(''),
      limitSeconds: seconds + PATIENCE_SECONDS,
      onDeath: (how) => this.#fail(new TmemError('E_INTERNAL', `the daemon ${how}`)),
    });
    this.#undo.add(() => store.daemon.close());
    requireRoom('E_ARENA_FULL', store.daemon.arena, capacityMib * MIB);
    requireRoom('E_SPILL', this.#spillFolder, guests * SPILL_MIB_PER_GUEST * MIB);
    return store;
  }

  #configOf(name: string): string {
    const file = path.join(this.#spillFolder, `${name}.spill`);
    // A string of TOML has the escapes of JSON.
    return `[guest.${name}.swap.swap0]\nsize = "512MiB"\nspill = ${JSON.stringify(file)}\n`;
  }

  #startGuest(at: number, exportName: string, socket: string): void {
    const name = path.dirname(exportName);
    const limitSeconds = this.#options.seconds + PATIENCE_SECONDS;
    const started = new DemoGuest({ name, exportName, socket, seed: at + 1, kernel: this.#kernel, limitSeconds });
    this.#guests.push(started);
    const { guest } = started;
    this.#undo.add(() => guest.close());
    const words: string[] = [];
    guest.on('line', (line) => {
      const report = readReport(line);
      if (report === undefined || TROUBLES.has(report.word)) words.push(line);
    });
    const fail = (how: string): void => {
      const last = words.slice(-WORDS_TOLD).join(' | ');
      this.#fail(new TmemError('E_INTERNAL', `${name} ${how}; its last words: ${last}`));
    };
    guest.on('report', (report) => {
      // Also where a wrong page was of the heap's own, so that awk could not count it.
      if (report.tag !== 'GUEST' || report.word !== 'exit' || guest.latest('HOG', 'done') !== undefined) return;
      fail(`has lost its workload, which ended with status ${report.fields['status']}`);
    });
    guest.on('exit', () => {
      if (guest.latest('HOG', 'done') === undefined) fail('has ended early');
    });
  }

  #stage(store: DemoStore): Stage {
    const { screen, seconds } = this.#options;
    return {
      seconds,
      guests: this.#guests,
      store,
      kills: [],
      spills: [],
      now: () => this.#now(),
      look: () => store.look(performance.now()),
      say: (words) => screen.say(this.#now(), words),
      doing: (words) => {
        this.#doing = words;
        this.#show(store);
      },
      isOver: () => this.#over,
    };
  }

  #show(store: DemoStore): void {
    const guests = this.#guests.map((one) => one.figures(store.alive));
    this.#options.screen.show({ seconds: this.#now(), doing: this.#doing, guests, store: store.figures });
  }

  #report({ guests, kills, spills, store }: Stage): DemoReport {
    return {
      v: 1,
      guests: guests.map(({ name, guest, exportName, swapInsAtKill }) => {
        const done = guest.latest('HOG', 'done');
        const figure = (field: string): number => (done === undefined ? NaN : numberIn(done, field));
        return {
          name,
          rounds: figure('rounds'),
          pages_verified: figure('verified'),
          bad: figure('bad'),
          swap_ins: figure('reads'),
          swap_ins_after_kill: kills.length === 0 ? 0 : figure('reads') - swapInsAtKill,
          reads_after_kill: kills.length === 0 ? 0 : store.readsOf(exportName),
        };
      }),
      kills,
      spills,
      peak: { stored_pages: store.peakPages, stored_bytes: store.peakBytes },
    };
  }

  #now(): number {
    return (performance.now() - this.#began) / 1000;
  }
}

/** A store that cannot have its capacity refuses pages early, and QEMU pauses the guest: better not to begin. */
function requireRoom(code: ErrorCode, folder: string, bytes: number): void {
  const { bsize, bavail } = statfsSync(folder);
  if (bsize * bavail >= bytes) return;
  throw new TmemError(
    code,
    `the demo needs ${formatSize(bytes)} in ${path.dirname(folder)} and ${formatSize(bsize * bavail)} are free: make room, or ask for fewer --guests`,
  );
}
