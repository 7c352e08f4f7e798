import { formatSize } from '../../base/size.js';
import { rounded } from './kill-phase.js';
import { type Stage, until, untilOrLate } from './stage.js';
import { counted } from './view.js';

/** Parts of the demo's time that are over when memory is taken away, and when it is given back. */
const TAKE_AT = 0.4;
const GIVE_AT = 0.6;

/** What each guest may keep of what it has stored. */
const KEPT = 1 / 4;

/** Part of the arena that may be left then: it follows segment by segment, with some slack. */
const ARENA_KEPT = 1 / 2;

/** Pages that each guest swaps in while it has so little. */
const SWAP_INS_MEANWHILE = 300;

/** How long pages may take to leave, and to come back. What is seen by then is said. */
const LEAVE_SECONDS = 20;
const RETURN_SECONDS = 20;

/** Part of the spilled pages whose return is waited for: the last ones come back when a guest happens to want them. */
const RETURNED = 1 / 2;

/** Three quarters of what is stored may not stay in memory, and may again a while later: pages go to the disk and return. */
export async function spill(stage: Stage): Promise<void> {
  const { store, guests, spills, now, look, say, doing } = stage;
  await until(stage, () => now() >= stage.seconds * TAKE_AT);
  await look();
  const before = { stored: store.storedBytes, arena: store.arenaBytes };
  const takenAt = now();
  await Promise.all(
    guests.map(async ({ name }) => {
      const stored = store.storedBytesOf(name);
      const cap = Math.floor(stored * KEPT);
      await store.daemon.setCap(name, cap);
      say(`${name} may have ${formatSize(cap)} of the ${formatSize(stored)} that it has stored`);
    }),
  );
  doing('memory is taken away: pages leave for the disk while guests go on');
  const swapInsBefore = guests.map((one) => one.figures(true).swapIns);
  await until(stage, () => now() >= stage.seconds * GIVE_AT);
  await untilOrLate(
    stage,
    LEAVE_SECONDS,
    () =>
      // A cap leaves room for a few pages to come in.
      store.storedBytes <= before.stored * KEPT * 1.1 &&
      store.arenaBytes <= before.arena * ARENA_KEPT &&
      guests.every((one, at) => one.figures(true).swapIns >= swapInsBefore[at]! + SWAP_INS_MEANWHILE),
  );
  await look();
  const after = { stored: store.storedBytes, arena: store.arenaBytes };
  const spilled = store.spilledPages;
  say(
    `${counted(spilled)} pages are on the disk, the arena has ${formatSize(after.arena)} of ${formatSize(before.arena)}`,
  );

  const givenBackAt = now();
  await Promise.all(guests.map(({ name }) => store.daemon.setCap(name, null)));
  doing('memory is given back: what guests read or write anew is in memory again');
  await untilOrLate(stage, RETURN_SECONDS, () => store.spilledPages <= spilled * (1 - RETURNED));
  await look();
  const returned = Math.max(0, spilled - store.spilledPages);
  say(`${counted(returned)} of them have come back after ${(now() - givenBackAt).toFixed(1)} s`);
  spills.push({
    at_s: rounded(takenAt),
    taken_s: rounded(givenBackAt - takenAt),
    stored_bytes_before: before.stored,
    stored_bytes_after: after.stored,
    arena_bytes_before: before.arena,
    arena_bytes_after: after.arena,
    spilled_pages: spilled,
    returned_pages: returned,
  });
}
