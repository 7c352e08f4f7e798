/** `cap=SIZE weight=N reservation=SIZE`, as `tmem guest set` takes them. */
import { TmemError } from '../base/errors.js';
import { nearest } from '../base/nearest.js';
import { quoted } from '../base/not-found.js';
import { parseSize } from '../base/size.js';

/** To be told where one of them was set. */
export const WITHOUT_EFFECT =
  'weight and reservation are of pages that may be taken for others: those of swap disks never are.\n';

/** As the API takes them. */
export interface GuestSettingsBody {
  cap_bytes?: number | null;
  weight?: number;
  reservation_bytes?: number | null;
}

const KEYS = ['cap', 'weight', 'reservation'];

/** @throws TmemError E_USAGE */
export function guestSettings(written: readonly string[]): GuestSettingsBody {
  const body: GuestSettingsBody = {};
  const seen = new Set<string>();
  for (const setting of written) {
    const at = setting.indexOf('=');
    const key = at < 0 ? setting : setting.slice(0, at);
    const value = at < 0 ? '' : setting.slice(at + 1);
    if (!KEYS.includes(key))
      throw new TmemError(
        'E_USAGE',
        `unknown setting ${quoted(key)}: the nearest is "${nearest(key.slice(0, 60), KEYS)}"`,
      );
    if (seen.has(key)) throw new TmemError('E_USAGE', `${key} is set twice`);
    seen.add(key);
    if (key === 'weight') body.weight = weight(value);
    else if (key === 'cap') body.cap_bytes = sizeOrNone(key, value);
    else body.reservation_bytes = sizeOrNone(key, value);
  }
  return body;
}

function weight(written: string): number {
  const value = /^\d{1,15}$/.test(written) ? Number(written) : 0;
  if (value >= 1) return value;
  throw new TmemError('E_USAGE', `weight=${shown(written)} is not a whole number of 1 or more`);
}

function sizeOrNone(key: string, written: string): number | null {
  if (written === 'none') return null;
  const parsed = parseSize(written);
  if ('bytes' in parsed) return parsed.bytes;
  throw new TmemError('E_USAGE', `${key}=${shown(written)} is ${parsed.problem}, or "none"`);
}

function shown(value: string): string {
  return quoted(value).slice(1, -1);
}
