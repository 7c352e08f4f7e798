/**
 * `npm run guest`: a Linux guest that swaps on tmem, for a developer's eyes. Takes about a minute.
 *
 *     seconds  faults/s  swapped in  stored pages  stored MiB  checked   bad
 *          12      2210       14820         31120        61.2    15361     0
 *
 * Ends with 0 only if every byte that came back from swap was right.
 */

import { PAGE_BYTES } from '../base/units.js';
import { TmemError } from '../base/errors.js';
import { findKernel } from './find-kernel.js';
import { findQemu } from './find-qemu.js';
import { Guest } from './guest.js';
import { guestProgram } from './guest-program.js';
import { findBusybox } from './initramfs.js';
import { findAll } from './missing-tool.js';
import { numberIn, type Report } from './report-line.js';
import { type ReadyFile, TmemProcess, type TmemStatus } from './tmem-process.js';
import { Undo } from './undo.js';

const MEMORY_MIB = 96;
const HOG_SECONDS = 40;
/** awk takes longer over a page than a compiled program. */
const HOG_MIB = guestProgram('hog') === undefined ? 112 : 160;
/** For everything, on a slow machine. */
const LIMIT_SECONDS = 170;

const undo = new Undo();
undo.onSignals();
try {
  process.exitCode = await run();
} catch (error) {
  // What fails because of Ctrl-C is no news.
  if (!undo.interrupted) {
    if (!(error instanceof TmemError)) throw error;
    process.stderr.write(`tmem: ${error.code}: ${error.message}\n`);
    process.exitCode = 1;
  }
} finally {
  if (!undo.interrupted) await undo.run();
}

async function run(): Promise<number> {
  // What is missing is told before anything starts.
  findAll(findQemu, findKernel, findBusybox);
  const [qemu, kernel] = [findQemu(), findKernel()];
  const daemon = new TmemProcess({ capacity: '256M', limitSeconds: LIMIT_SECONDS });
  undo.add(() => daemon.close());
  const swap = firstExport(await daemon.start());
  say(`tmem serve, process ${daemon.pid}: ${swap.name} on ${swap.socket}, arena ${daemon.arena}`);

  const guest = new Guest({
    memoryMib: MEMORY_MIB,
    swap: { socket: swap.socket, exportName: swap.name },
    parameters: { mib: HOG_MIB, seconds: HOG_SECONDS, linger: 2 },
    limitSeconds: LIMIT_SECONDS,
    kernel,
  });
  undo.add(() => guest.close());
  say(`guest, process ${guest.pid}: Linux ${kernel.version} on ${qemu}, ${MEMORY_MIB} MiB of memory`);
  say(`its workload fills ${HOG_MIB} MiB and checks every page that it touches, for ${HOG_SECONDS} s (Ctrl-C ends it)`);
  if (guest.workload === 'awk') say('no C compiler with a static libc here: a workload in awk takes the place');

  showEachSecond(guest, daemon, swap.name);
  guest.on('line', (line) => {
    if (/^HOG (?:bad|lost|failed)|^GUEST failed|[Ee]rror|Oops|panic/.test(line)) say(`guest: ${line}`);
  });
  const done = await guest.waitFor('HOG', 'done');
  const held = exportOf(await daemon.status(), swap.name).stored_pages;
  await guest.waitFor('GUEST', 'bye');
  const left = exportOf(await daemon.status(), swap.name);
  const [bad, reads, checked] = [numberIn(done, 'bad'), numberIn(done, 'reads'), numberIn(done, 'verified')];
  say(`pages stored: ${held} at the end of the workload, ${left.stored_pages} after it (${left.trims} discards)`);
  say(
    `${checked} pages checked, ${reads} of them read back from tmem, ${bad} bad: ${bad === 0 ? 'all right' : 'WRONG'}`,
  );
  return bad === 0 ? 0 : 1;
}

/** One line at each report of the workload, which come once a second. */
function showEachSecond(guest: Guest, daemon: TmemProcess, name: string): void {
  let before: Report | undefined;
  say('seconds  faults/s  swapped in  stored pages  stored MiB   checked   bad');
  const show = async (report: Report): Promise<void> => {
    const since = before;
    before = report;
    const status = await daemon.status();
    const { stored_pages: pages } = exportOf(status, name);
    const seconds = numberIn(report, 'second');
    const rate =
      since === undefined
        ? ''
        : Math.round(
            (numberIn(report, 'reads') - numberIn(since, 'reads')) / Math.max(1, seconds - numberIn(since, 'second')),
          );
    const mib = (status.arena.live_bytes / 2 ** 20).toFixed(1);
    const part = ((100 * status.arena.live_bytes) / Math.max(1, pages * PAGE_BYTES)).toFixed(0);
    const columns: [value: string | number, width: number][] = [
      [seconds, 7],
      [rate, 10],
      [numberIn(report, 'reads'), 12],
      [pages, 14],
      [`${mib} ${part}%`, 12],
      [numberIn(report, 'verified'), 10],
      [numberIn(report, 'bad'), 6],
    ];
    say(columns.map(([value, width]) => String(value).padStart(width)).join(''));
  };
  guest.on('report', (report) => {
    if (report.tag !== 'HOG' || report.word !== '') return;
    // A daemon that is just going away has no status; the end is told elsewhere.
    show(report).catch(() => undefined);
  });
}

function firstExport(ready: ReadyFile): ReadyFile['exports'][number] {
  const first = ready.exports[0];
  if (first === undefined) throw new TmemError('E_NOT_FOUND', 'tmem serve has no export; its ready.json lists none');
  return first;
}

function exportOf(status: TmemStatus, name: string): TmemStatus['exports'][number] {
  const found = status.exports.find((one) => one.name === name);
  if (found === undefined) throw new TmemError('E_NOT_FOUND', `tmem status does not list the export ${name}`);
  return found;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
