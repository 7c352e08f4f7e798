/** What the HTTP doors lead to, in tests of the doors: a status that stands still, and a control that notes what it is told. */
import type { StatusDocument } from '../../src/base/status.js';
import type { HostControl } from '../../src/host/host-control.js';
import type { Host } from '../../src/serve/control/changes.js';
import type { ControlAnswer } from '../../src/serve/control/routes.js';

export const emptyStatus: StatusDocument = {
  v: 1,
  pid: 1,
  version: '0.1.0',
  uptime_s: 1.5,
  rss_bytes: 1,
  arena: {
    path: '/a',
    fs: 'tmpfs',
    capacity_bytes: 4,
    occupied_bytes: 3,
    live_bytes: 2,
    metadata_bytes: 1,
    dedup_contents: 0,
    dedup_saved_bytes: 0,
  },
  ledger: {
    budget_bytes: 5,
    committed: { guests: 0, persistent: 2, ephemeral: 0, metadata: 1, reserve: 0, free: 2 },
    measured: { resident: null, reported_free: null, image_cache: null, host_swap: null, unexplained: null },
    spill_bytes: null,
  },
  policy: { name: null, interval_s: null, dry_run: null },
  guests: [],
  exports: [
    {
      name: 'guest0/swap0',
      mode: 'swap',
      socket: '/s',
      uri: 'nbd+unix:///guest0/swap0?socket=/s',
      size_bytes: 4096,
      connections: 0,
      stored_pages: 0,
      same_filled_pages: 0,
      stored_bytes: 0,
      spilled_pages: null,
      dedup_domain: null,
      dedup_pages: 0,
      reads: 0,
      writes: 0,
      trims: 0,
      flushes: 0,
      errors: 0,
    },
  ],
  pools: [],
  warnings: [{ code: 'odd', text: '<script>' }],
};

/** @param control - what is not given says nothing and does nothing */
export function hostOf(control: Partial<HostControl>, status: StatusDocument = emptyStatus): Host {
  const removed = { exports: [], inConfig: false };
  const forgotten = { pools: 0, pages: 0 };
  return {
    view: {
      status: () => Promise.resolve(status),
      measurements: () => Promise.resolve({ status, requestTimes: [], verifyFailures: 0 }),
      decisions: () => ({ v: 1, decisions: [] }),
    },
    control: {
      setGuest: () => Promise.resolve(),
      freeze: () => Promise.resolve(),
      removeGuest: () => Promise.resolve({ ...removed, ...forgotten }),
      addExport: () => Promise.resolve(),
      removeExport: () => Promise.resolve(removed),
      flushPool: () => Promise.resolve(forgotten),
      destroyPool: () => Promise.resolve(forgotten),
      ...control,
    },
  };
}

export function errorOf(answer: Pick<ControlAnswer, 'body'>): { code: string; message: string; hint: string } {
  const { error }: { error: { code: string; message: string; hint: string } } = JSON.parse(answer.body);
  return error;
}
