/** An NBD server over memory whose pages are away when a test says so. */
import assert from 'node:assert/strict';
import { setImmediate as nextRound } from 'node:timers/promises';
import { AwayFace } from './away-face.js';
import { type NbdFixture, withFixture } from './nbd-fixture.js';

/** For one test. */
export function withAway(
  options: Parameters<typeof withFixture>[0],
  body: (fixture: NbdFixture & { away: () => AwayFace }) => Promise<void>,
): Promise<void> {
  let face: AwayFace | undefined;
  const away = (): AwayFace => {
    assert.ok(face !== undefined);
    return face;
  };
  return withFixture({ ...options, over: (below) => (face = new AwayFace(below)) }, (fixture) =>
    body({ ...fixture, away }),
  );
}

/** So many rounds of the event loop: sockets of this process have been looked at as often. */
export async function rounds(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await nextRound();
}

/** @throws if it does not come to that */
export async function until(condition: () => boolean, roundsMax: number = 1e6): Promise<void> {
  for (let n = 0; !condition(); n++) {
    if (n > roundsMax) throw new Error('it never comes to that');
    await nextRound();
  }
}
