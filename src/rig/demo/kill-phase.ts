import { setTimeout as sleep } from 'node:timers/promises';
import { type Stage, until } from './stage.js';
import { counted } from './view.js';

/** How long there is no daemon before it is started again. */
const DOWN_MS = 2000;

/** A guest that works waits for swap most of the time: one of so many attempts meets it there. */
const ATTEMPTS_MAX = 30;
const PAUSE_MS = 20;

/** `kill -9` of the daemon with requests unanswered, two seconds without it, a new start on the same pages. */
export async function kill(stage: Stage): Promise<void> {
  const { store, guests, kills, say, doing, now, look } = stage;
  await look();
  const inFlight = await stopInFlight(stage);
  const { pid } = store.daemon;
  const killedAt = now();
  await store.kill9();
  doing('there is no daemon; guests that need a page wait for it');
  say(`kill -9 of the daemon (process ${pid}) with ${inFlight} requests unanswered`);
  await sleep(DOWN_MS);
  const { recovered } = await store.start();
  const up = now();
  kills.push({ at_s: rounded(killedAt), down_s: rounded(up - killedAt), in_flight: inFlight });
  say(
    `the daemon is back (process ${store.daemon.pid}) after ${(up - killedAt).toFixed(1)} s ` +
      `with ${counted(recovered.pages)} pages; QEMU has yet to connect again`,
  );
  doing('the daemon is back; QEMU tries to connect after 1, 3, 7 seconds');
  await Promise.all(
    guests.map(async (guest) => {
      await until(stage, () => store.readsOf(guest.exportName) > 0);
      say(`${guest.name} waited, and goes on ${(now() - up).toFixed(1)} s after the start`);
      await guest.noteSwapIns();
    }),
  );
}

/**
 * Stops the daemon at an instruction at which it owes the guests replies, and leaves it there.
 *
 * @returns requests that the guests' kernels have sent and that no one can answer any more
 */
async function stopInFlight({ store, guests }: Stage): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    store.freeze();
    const waiting = await Promise.all(guests.map((one) => one.waiting()));
    const requests = waiting.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    if (requests > 0 || attempt === ATTEMPTS_MAX) return requests;
    store.thaw();
    await sleep(PAUSE_MS);
  }
}

/** To milliseconds. */
export function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
