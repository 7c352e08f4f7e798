/** Requests that change something. Their answers are the documents of `base/changes.ts`. */
import type {
  ExportRemovedDocument,
  ExportsDocument,
  GuestRemovedDocument,
  GuestsDocument,
  PoolForgottenDocument,
} from '../../base/changes.js';
import { TmemError } from '../../base/errors.js';
import type { GuestSettings, HostControl } from '../../host/host-control.js';
import type { HostView } from '../../host/host-view.js';
import { parseFields } from './request-body.js';

/** What requests are about. */
export interface Host {
  readonly view: HostView;
  readonly control: HostControl;
}

/** What a change is told. */
export interface ChangeRequest {
  /** The parts of the path that its route leaves open, in their order. */
  readonly names: readonly string[];
  readonly body: string;
  /** Clients that are connected are no reason to refuse. */
  readonly force: boolean;
}

export interface ChangeRoute {
  readonly method: 'POST' | 'DELETE';
  /** `*` is any name. */
  readonly path: string;
  /** Whether `?force=true` means something to it. */
  readonly forcible?: true;
  readonly run: (host: Host, request: ChangeRequest) => Promise<object>;
}

export const CHANGE_ROUTES: readonly ChangeRoute[] = [
  {
    method: 'POST',
    path: '/api/v1/guests/*',
    run: async ({ view, control }, { names: [guest = ''], body }) => {
      await control.setGuest(guest, settingsIn(body));
      return guestsNow(view, guest);
    },
  },
  { method: 'POST', path: '/api/v1/guests/*/freeze', run: (host, request) => freeze(host, request, true) },
  { method: 'POST', path: '/api/v1/guests/*/thaw', run: (host, request) => freeze(host, request, false) },
  // Of all guests.
  { method: 'POST', path: '/api/v1/freeze', run: (host, request) => freeze(host, request, true) },
  { method: 'POST', path: '/api/v1/thaw', run: (host, request) => freeze(host, request, false) },
  {
    method: 'DELETE',
    path: '/api/v1/guests/*',
    forcible: true,
    run: async ({ control }, { names: [guest = ''], body, force }) => {
      parseFields(body, []);
      const { exports, pools, pages, inConfig } = await control.removeGuest(guest, force);
      return { v: 1, guest, exports, pools, pages, in_config: inConfig } satisfies GuestRemovedDocument;
    },
  },
  {
    method: 'POST',
    path: '/api/v1/exports/*/*',
    run: async ({ view, control }, { names: [guest = '', name = ''], body }) => {
      const fields = parseFields(body, ['size_bytes', 'spill']);
      const [sizeBytes, spill = null] = [fields.get('size_bytes'), fields.get('spill')];
      if (typeof sizeBytes !== 'number') throw new TmemError('E_USAGE', 'size_bytes is missing, or not a number');
      if (spill !== null && typeof spill !== 'string') throw new TmemError('E_USAGE', 'spill is not a path, or null');
      await control.addExport(guest, name, sizeBytes, spill);
      const { exports } = await view.status();
      return { v: 1, exports: exports.filter((each) => each.name === `${guest}/${name}`) } satisfies ExportsDocument;
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/exports/*/*',
    forcible: true,
    run: async ({ view, control }, { names: [guest = '', name = ''], body, force }) => {
      parseFields(body, []);
      const { inConfig } = await control.removeExport(guest, name, force);
      const kept = (await view.status()).pools.find((pool) => pool.guest === guest && pool.name === name);
      return {
        v: 1,
        export: `${guest}/${name}`,
        kept_pages: kept?.pages ?? 0,
        in_config: inConfig,
      } satisfies ExportRemovedDocument;
    },
  },
  {
    method: 'POST',
    path: '/api/v1/pools/*/*/flush',
    forcible: true,
    run: async ({ control }, { names: [guest = '', pool = ''], body, force }) => {
      parseFields(body, []);
      const { pages } = await control.flushPool(guest, pool, force);
      return { v: 1, pool: `${guest}/${pool}`, pages } satisfies PoolForgottenDocument;
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/pools/*/*',
    run: async ({ control }, { names: [guest = '', pool = ''], body }) => {
      parseFields(body, []);
      const { pages } = await control.destroyPool(guest, pool);
      return { v: 1, pool: `${guest}/${pool}`, pages } satisfies PoolForgottenDocument;
    },
  },
];

async function freeze({ view, control }: Host, { names, body }: ChangeRequest, frozen: boolean): Promise<object> {
  parseFields(body, []);
  const guest = names[0] ?? null;
  await control.freeze(guest, frozen);
  return guestsNow(view, guest);
}

async function guestsNow(view: HostView, name: string | null): Promise<GuestsDocument> {
  const { guests } = await view.status();
  return { v: 1, guests: guests.filter((guest) => name === null || guest.name === name) };
}

function settingsIn(body: string): GuestSettings {
  const fields = parseFields(body, ['cap_bytes', 'weight', 'reservation_bytes']);
  if (fields.size === 0) throw new TmemError('E_USAGE', 'nothing to set: give cap_bytes, weight or reservation_bytes');
  return {
    ...(fields.has('cap_bytes') && { capBytes: wholeOrNull(fields, 'cap_bytes') }),
    ...(fields.has('weight') && { weight: whole(fields, 'weight', 1) }),
    ...(fields.has('reservation_bytes') && { reservationBytes: wholeOrNull(fields, 'reservation_bytes') }),
  };
}

function wholeOrNull(fields: ReadonlyMap<string, unknown>, name: string): number | null {
  return fields.get(name) === null ? null : whole(fields, name, 0);
}

function whole(fields: ReadonlyMap<string, unknown>, name: string, least: number): number {
  const value = fields.get(name);
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw new TmemError('E_USAGE', `${name} is not a whole number of ${least} or more`);
}
