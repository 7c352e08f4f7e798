/**
 * The phases of the demo, in their order.
 *
 *     boot ──► fill ──► work ──► kill ──► spill ──► verify
 */

import { numberIn } from '../report-line.js';
import { GUEST_DATA_MIB, GUEST_MEMORY_MIB } from './demo-guest.js';
import { kill } from './kill-phase.js';
import { spill } from './spill-phase.js';
import { type Phase, type Stage, until } from './stage.js';
import { counted } from './view.js';

/** Part of the demo's time that is over when the daemon is killed, unless guests are slow to fill their memory. */
const KILL_AT = 0.3;

/** Pages that each guest has swapped in before the daemon is killed. */
const SWAP_INS_BEFORE_KILL = 500;

export const PHASES: readonly Phase[] = [boot, fill, work, kill, spill, verify];

async function boot({ guests, doing, say }: Stage): Promise<void> {
  doing('Linux boots, without KVM');
  await Promise.all(
    guests.map(async ({ name, guest }) => {
      await guest.waitFor('GUEST', 'swap');
      say(`${name} is up and swaps on tmem`);
    }),
  );
}

async function fill({ guests, doing, say }: Stage): Promise<void> {
  doing(`each guest fills ${GUEST_DATA_MIB} MiB with its ${GUEST_MEMORY_MIB} MiB of memory`);
  await Promise.all(
    guests.map(async ({ name, guest }) => {
      await guest.waitFor('HOG', 'filled');
      say(`${name} has filled ${GUEST_DATA_MIB} MiB`);
    }),
  );
}

async function work(stage: Stage): Promise<void> {
  stage.doing('guests visit their pages in random order, check every byte, and write half of the pages anew');
  await until(
    stage,
    () =>
      stage.now() >= stage.seconds * KILL_AT &&
      stage.guests.every((one) => one.figures(true).swapIns >= SWAP_INS_BEFORE_KILL && one.pagesPerSecond > 0),
  );
}

/** The guests go on as before, until the time that is left is what a last look at every page takes. */
async function verify(stage: Stage): Promise<void> {
  const { guests, seconds, now, doing, say } = stage;
  doing('guests go on: what comes back is what was stored, before the kill and before it was on the disk');
  const pages = GUEST_DATA_MIB * 256;
  const lookSeconds = Math.max(...guests.map(({ pagesPerSecond }) => pages / pagesPerSecond));
  await until(stage, () => now() >= seconds - lookSeconds);
  for (const { guest } of guests) guest.command('stop');
  doing('guests look once more at every byte of every page');
  await Promise.all(
    guests.map(async ({ name, guest }) => {
      const done = await guest.waitFor('HOG', 'done');
      // The daemon counts what it has read for this guest until the next guest is done.
      await stage.look();
      const bad = numberIn(done, 'bad');
      say(
        `${name} has checked ${counted(numberIn(done, 'verified'))} pages, ` +
          `swapped in ${counted(numberIn(done, 'reads'))}, and found ${counted(bad)} bad`,
      );
    }),
  );
}
