/** What the tests on real guests share: a guest whose hog swaps on a server, and ways to wait for both. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Guest } from '../../src/rig/guest.js';
import type { GuestParameters } from '../../src/rig/guest-init.js';
import { numberIn, type Report } from '../../src/rig/report-line.js';
import { needs } from './needs.js';
import { SWAP_SERVER_NEEDS, type SwapServer } from './swap-server.js';

/** No guest of a test lives longer: several times what a test takes, because a busy machine runs a guest at half its speed. */
export const GUEST_LIMIT_SECONDS = 400;

/** Value for a guest test's `skip`. */
export function guestNeeds(...more: readonly string[]): string | false {
  return needs('qemu-system-x86_64', 'guest-kernel', 'busybox', 'gcc', ...SWAP_SERVER_NEEDS, ...more);
}

/** A guest of 96 MiB whose hog of 160 MiB runs until it is told to stop. Both end with the test. */
export async function guestOn(
  t: TestContext,
  server: SwapServer,
  parameters: Partial<GuestParameters> = {},
): Promise<Guest> {
  await server.start();
  const guest = swapGuest(server, parameters);
  t.after(async () => {
    await guest.close();
    await server.close();
  });
  // Its first figures come a second after it has filled its memory.
  await guest.waitFor('HOG', '');
  return guest;
}

/** The same guest alone, which boots while its first report is awaited. Whoever starts it closes it. */
export function swapGuest(
  { socket, exportName }: Pick<SwapServer, 'socket' | 'exportName'>,
  parameters: Partial<GuestParameters> = {},
): Guest {
  return new Guest({
    memoryMib: 96,
    swap: { socket, exportName },
    parameters: { mib: 160, workload: 'hog', ...parameters },
    limitSeconds: GUEST_LIMIT_SECONDS,
  });
}

/** Waits until the hog has had `pages` pages swapped in since boot, by the guest's own count. */
export async function swappedIn(guest: Guest, pages: number): Promise<void> {
  await guest.waitFor('HOG', '', (report) => numberIn(report, 'reads') >= pages);
}

/**
 * Pages read so far: by the server's count, or the guest's where the server keeps none. The guest counts pages, a
 * server that reads ahead counts fewer requests: both are at least what a test asks for.
 */
export async function readsOf(server: SwapServer, guest: Guest): Promise<number> {
  return (await server.pageReads()) ?? numberIn(latestHog(guest), 'reads');
}

/** Polls twice a second, until the guest ends. */
export async function until(guest: Guest, condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    assert.ok(!guest.ended, `the guest ended early; its last lines:\n${guest.lastLines()}`);
    await sleep(500);
  }
}

/** Tells the hog to stop and returns its verdict, after it looked at every page once more. */
export async function verdict(guest: Guest): Promise<Report> {
  guest.command('stop');
  return guest.waitFor('HOG', 'done');
}

/** What the hog's verdict says, in pages: a line of JSON for the summary of long runs, together with what a server says. */
export function figuresOf(end: Report): { bad: number; swappedIn: number; swappedOut: number; checked: number } {
  const figure = (field: string): number => numberIn(end, field);
  return {
    bad: figure('bad'),
    swappedIn: figure('reads'),
    swappedOut: figure('writes'),
    checked: figure('verified'),
  };
}

function latestHog(guest: Guest): Report {
  const latest = guest.latest('HOG', '');
  assert.ok(latest, 'the hog has reported');
  return latest;
}
