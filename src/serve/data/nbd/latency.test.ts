import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withAway } from '../../../../test/support/away-fixture.js';
import { patterned, rejects, withFixture } from '../../../../test/support/nbd-fixture.js';
import type { Clock } from '../../../base/clock.js';
import { MIB, PAGE_BYTES } from '../../../base/units.js';
import { Command, NbdError } from '../../../wire/nbd/request.js';
import { Latencies, LATENCY_BOUNDS_US, TIMED_TURNS, TurnTally, UNTIMED } from './latency.js';
import type { TransportKind } from './transport.js';

test('a request is counted in the bucket whose bound it does not pass, by its command', () => {
  const latencies = new Latencies();
  const tally = new TurnTally();
  for (const [command, us] of [
    [Command.read, 0],
    [Command.read, 10],
    [Command.read, 10.5],
    [Command.write, 1e6],
    [Command.write, 1e6 + 1],
    [Command.blockStatus, 700],
  ] as const) {
    tally.add(command);
    latencies.observe(tally, us);
  }
  const seen = latencies.report().map(({ command, counts, sumUs }) => {
    const buckets = counts.flatMap((count, at) => (count === 0 ? [] : [[LATENCY_BOUNDS_US[at] ?? Infinity, count]]));
    return [command, buckets, sumUs];
  });
  assert.deepEqual(seen, [
    [
      'read',
      [
        [10, 2],
        [20, 1],
      ],
      20.5,
    ],
    [
      'write',
      [
        [1e6, 1],
        [Infinity, 1],
      ],
      2e6 + 1,
    ],
    ['block_status', [[1000, 1]], 700],
  ]);
});

test('the requests of a turn count as many, and a tally is empty after it was taken', () => {
  const latencies = new Latencies();
  const tally = new TurnTally();
  for (let request = 0; request < 3; request++) tally.add(Command.trim);
  tally.add(0xffff);
  assert.equal(tally.total, 3);
  latencies.observe(tally, 15);
  latencies.observe(tally, 15);
  assert.equal(tally.total, 0);
  assert.deepEqual(totals(latencies), { trim: 3 });
  assert.equal(latencies.report()[0]!.sumUs, 45);
});

test('turns in a row are timed one in eight, the first among them, and any other always', () => {
  const latencies = new Latencies();
  const tally = new TurnTally();
  const timed = [];
  for (let turn = 0; turn < 3 * TIMED_TURNS; turn++) {
    timed.push(latencies.wantsTime(true));
    assert.ok(latencies.wantsTime(false));
    tally.add(Command.read);
    latencies.observe(tally, timed.at(-1) === true ? 5 : UNTIMED);
  }
  assert.deepEqual(
    timed.flatMap((isTimed, turn) => (isTimed ? [turn] : [])),
    [0, 8, 16],
  );
});

test('what turns that were not timed answered counts as the next timed of its command, or as the latest when asked', () => {
  const latencies = new Latencies();
  const tally = new TurnTally();
  const turn = (us: number, ...commands: number[]): void => {
    for (const command of commands) tally.add(command);
    latencies.observe(tally, us);
  };
  turn(UNTIMED, Command.read, Command.write, Command.write);
  turn(15, Command.read);
  turn(UNTIMED, Command.read, Command.trim);
  turn(300, Command.write);
  const seen = latencies.report().map(({ command, counts, sumUs }) => {
    const buckets = counts.flatMap((count, at) => (count === 0 ? [] : [[LATENCY_BOUNDS_US[at] ?? Infinity, count]]));
    return [command, buckets, sumUs];
  });
  assert.deepEqual(seen, [
    ['read', [[20, 3]], 45],
    ['write', [[500, 3]], 900],
    // None of its command was ever timed.
    ['trim', [[500, 1]], 300],
  ]);
});

for (const transport of ['onread', 'stream'] satisfies TransportKind[]) {
  test(`${transport}: each request that is answered is counted once, whether done or refused, in one turn or in many`, () =>
    withFixture({ transport, clock: ticking(15) }, async ({ connect, face, server }) => {
      const client = await connect();
      face.full.add(900);
      await client.write(0, patterned(2 * MIB));
      await Promise.all([client.write(0, patterned(PAGE_BYTES)), client.write(PAGE_BYTES, patterned(PAGE_BYTES))]);
      await rejects(client.write(900 * PAGE_BYTES, patterned(PAGE_BYTES)), NbdError.noSpace);
      await rejects(client.write(face.sizeBytes, patterned(PAGE_BYTES)), NbdError.noSpace);
      assert.equal((await client.read(0, 2 * MIB)).length, 2 * MIB);
      await rejects(client.read(face.sizeBytes, PAGE_BYTES), NbdError.inval);
      await client.trim(0, face.sizeBytes);
      await client.writeZeroes(100, 5000);
      await client.flush();
      const old = await connect({ structured: false });
      assert.equal((await old.read(0, 2 * MIB)).length, 2 * MIB);
      assert.deepEqual(totals(server.latencies('vm1/disk0')!), {
        read: 3,
        write: 5,
        flush: 1,
        trim: 1,
        write_zeroes: 1,
      });
    }));
}

test('a request takes as long as the clock says between its input and its reply', () =>
  withFixture({ clock: ticking(15) }, async ({ connect, server }) => {
    const client = await connect();
    await client.flush();
    const { counts, sumUs } = server.latencies('vm1/disk0')!.report()[0]!;
    // One reading of the clock when it came, one when it was answered.
    assert.deepEqual([counts[1], sumUs], [1, 15]);
  }));

test('a request that was parked takes as long as from when it was read, whatever came in meanwhile', () => {
  let nowUs = 0;
  return withAway({ clock: { nowUs: () => nowUs } }, async ({ connect, server, away }) => {
    const client = await connect();
    await client.write(0, patterned(2 * PAGE_BYTES));
    for (const page of [0, 1]) away().sendAway(page);
    nowUs = 1000;
    const read = client.read(0, PAGE_BYTES);
    const write = client.write(PAGE_BYTES, patterned(512));
    await until(() => away().coming.length === 2);
    nowUs = 400_000;
    await client.flush();
    assert.deepEqual(totals(server.latencies('vm1/disk0')!), { write: 1, flush: 1 });
    // The write, with its page here, lacks room now, and is parked once more.
    away().isShort = () => true;
    for (const fetch of away().coming) away().end(fetch);
    await until(() => away().waitingForRoom === 1);
    await read;
    nowUs = 900_000;
    away().isShort = () => false;
    away().resume();
    await write;
    const sums = server
      .latencies('vm1/disk0')!
      .report()
      .map(({ command, sumUs }) => [command, sumUs]);
    assert.deepEqual(sums, [
      ['read', 399_000],
      ['write', 899_000],
      ['flush', 0],
    ]);
  });
});

function totals(latencies: Latencies): Record<string, number> {
  return Object.fromEntries(
    latencies.report().map(({ command, counts }) => [command, counts.reduce((sum, count) => sum + count, 0)]),
  );
}

/** Goes on by so many microseconds at each look. */
function ticking(us: number): Clock {
  let now = 0;
  return { nowUs: () => (now += us) };
}
