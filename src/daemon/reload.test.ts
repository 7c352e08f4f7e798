import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, GuestConfig } from './config/config.js';
import { planReload, withoutExports } from './reload.js';

test('the same config changes nothing', () => {
  const { added, removed, limits, needRestart } = planReload(config(), config());
  assert.deepEqual({ added, removed, limits, needRestart }, { added: [], removed: [], limits: [], needRestart: [] });
});

test('caps, weights, reservations, owners and the level of the log change live', () => {
  const limits = { capBytes: 4096, weight: 7, reservationBytes: 5 };
  const next = config({ logLevel: 'debug', guests: [guest('a', { ...limits, ownerUid: 5 })] });
  const plan = planReload(config(), next);
  assert.deepEqual(plan.limits, [{ guest: 'a', ...limits }]);
  assert.deepEqual(plan.needRestart, []);
  assert.deepEqual(plan.config, next);
});

test('a cap that goes is a change too', () => {
  const now = config({ guests: [guest('a', { capBytes: 4096 })] });
  assert.deepEqual(planReload(now, config()).limits, [NO_LIMITS]);
});

test('a cap goes with its guest, so that the guest can come back without one', () => {
  const now = config({ guests: [guest('a'), guest('b', { capBytes: 4096 })] });
  assert.deepEqual(planReload(now, config()).limits, [{ ...NO_LIMITS, guest: 'b' }]);
});

test('an export that could not be added is taken for new by the next reload', () => {
  const exports = ['s', 't'].map((name) => ({
    guest: 'a',
    name,
    sizeBytes: 4096,
    socket: `/run/a-${name}.nbd`,
    spill: null,
    domain: null,
  }));
  const next = config({ guests: [guest('a', { exports })] });
  const { added, config: whole } = planReload(config(), next);
  const without = withoutExports(whole, new Set(added));
  assert.deepEqual(without, config());
  assert.deepEqual(planReload(without, next).added, added);
});

test('exports come and go', () => {
  const exports = [{ guest: 'b', name: 's', sizeBytes: 4096, socket: '/other/b-s.nbd', spill: null, domain: null }];
  const next = config({ runDir: '/other', guests: [guest('b', { capBytes: 1, exports })] });
  const plan = planReload(config({ guests: [guest('a')] }), next);
  assert.deepEqual(
    plan.added.map(({ socket }) => socket),
    ['/run/b-s.nbd'],
  );
  assert.deepEqual(
    plan.removed.map(({ socket }) => socket),
    ['/run/a-s.nbd'],
  );
  assert.deepEqual(plan.limits, [{ ...NO_LIMITS, guest: 'b', capBytes: 1 }]);
});

test('what a command has set, the file sets back', () => {
  const now = config({ guests: [guest('a', { capBytes: 4096, weight: 7, reservationBytes: 1 })] });
  const plan = planReload(now, config());
  assert.deepEqual(plan.config, config());
  assert.deepEqual(plan.limits, [NO_LIMITS]);
});

test('an export that a command has taken out is served again where the file names it', () => {
  const plan = planReload(config({ guests: [guest('a', { exports: [] })] }), config());
  assert.deepEqual(plan.added, guest('a').exports);
});

test('an export that a command has added stays, with the guest that came with it', () => {
  const added = (name: string): GuestConfig['exports'][number] => ({ ...diskOf(name, 'late'), atRunTime: true });
  const [here, new1] = [
    guest('a', { exports: [...guest('a').exports, added('a')] }),
    guest('new', { exports: [added('new')], capBytes: 4096, atRunTime: true }),
  ];
  const now = config({ guests: [here, new1] });
  const plan = planReload(now, config());
  assert.deepEqual([plan.config, plan.added, plan.removed, plan.limits], [now, [], [], []]);
  const gone = planReload(now, config({ guests: [] }));
  assert.deepEqual(
    gone.config.guests.map(({ name, exports, atRunTime }) => [name, exports, atRunTime]),
    [
      ['a', [added('a')], true],
      ['new', [added('new')], true],
    ],
  );
  assert.deepEqual(gone.removed, guest('a').exports);
});

test('an export that a command has added is the file’s from when the file names it, and keeps its size and its place', () => {
  const now = config({ guests: [guest('a', { exports: [{ ...diskOf('a', 's'), atRunTime: true }] })] });
  const next = config({ guests: [guest('a', { exports: [{ ...diskOf('a', 's'), sizeBytes: 8192 }] })] });
  const plan = planReload(now, next);
  assert.deepEqual(plan.config, config());
  assert.deepEqual([plan.added, plan.removed, plan.needRestart], [[], [], ['guest.a.swap.s.size']]);
  assert.deepEqual(planReload(plan.config, config({ guests: [] })).removed, guest('a').exports);
});

test('places, sizes, workers and a named capacity wait for a restart, are named, and stay as they were', () => {
  const now = config();
  const next = config({
    runDir: '/other',
    arena: { path: '/other', fs: 'tmpfs', isDefault: false },
    capacityBytes: 1,
    capacityIsDefault: false,
    http: null,
    workers: 2,
    guests: [
      {
        ...guest('a'),
        exports: [{ guest: 'a', name: 's', sizeBytes: 8192, socket: '/other/a-s.nbd', spill: null, domain: null }],
      },
    ],
  });
  const plan = planReload(now, next);
  assert.deepEqual(plan.needRestart, ['run_dir', 'arena', 'capacity', 'workers', 'http', 'guest.a.swap.s.size']);
  assert.deepEqual(plan.config, now);
});

test('another spill file waits for a restart and is named, and an export that comes has its own', () => {
  const spilling = (spill: string | null): Config =>
    config({ guests: [guest('a', { exports: [{ ...diskOf('a', 's'), spill }] })] });
  for (const [before, after] of [
    ['/x', '/y'],
    ['/x', null],
    [null, '/y'],
  ] as const) {
    const plan = planReload(spilling(before), spilling(after));
    assert.deepEqual([plan.needRestart, plan.added, plan.removed], [['guest.a.swap.s.spill'], [], []]);
    assert.deepEqual(plan.config, spilling(before));
  }
  assert.deepEqual(
    planReload(config({ guests: [] }), spilling('/y')).added.map(({ spill }) => spill),
    ['/y'],
  );
});

test('other sharing waits for a restart and is named', () => {
  const sharing = (domain: string | null): Config =>
    config({ guests: [guest('a', { exports: [{ ...diskOf('a', 's'), domain }] })] });
  for (const [before, after] of [
    ['trust t', 'guest a'],
    ['guest a', null],
    [null, 'trust t'],
  ] as const) {
    const plan = planReload(sharing(before), sharing(after));
    assert.deepEqual([plan.needRestart, plan.added, plan.removed], [['guest.a.swap.s.dedup or trust'], [], []]);
    assert.deepEqual(plan.config, sharing(before));
  }
});

test('a default capacity that moved with the free memory is nobody’s wish', () => {
  assert.deepEqual(planReload(config(), config({ capacityBytes: 5 })).needRestart, []);
});

const NO_LIMITS = { guest: 'a', capBytes: null, weight: 100, reservationBytes: null };

function config(changed: Partial<Config> = {}): Config {
  return {
    file: '/f',
    runDir: '/run',
    runDirIsDefault: false,
    arena: { path: '/arena', fs: 'tmpfs', isDefault: false },
    capacityBytes: 2 ** 30,
    capacityIsDefault: true,
    workers: 1,
    http: { host: '127.0.0.1', port: 7070 },
    tokenDigest: null,
    logLevel: 'info',
    guests: [guest('a')],
    warnings: [],
    ...changed,
  };
}

function diskOf(guestName: string, name: string): GuestConfig['exports'][number] {
  return {
    guest: guestName,
    name,
    sizeBytes: 4096,
    socket: `/run/${guestName}-${name}.nbd`,
    spill: null,
    domain: null,
  };
}

function guest(name: string, changed: Partial<GuestConfig> = {}): GuestConfig {
  return {
    name,
    kind: 'vm',
    weight: 100,
    capBytes: null,
    reservationBytes: null,
    ownerUid: null,
    exports: [diskOf(name, 's')],
    ...changed,
  };
}
