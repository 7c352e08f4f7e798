/**
 * Which shard serves which export. Pages do not move between shards: an export is served where the pages of its pool are.
 * One without pages goes where others are of the same trust domain, where one was named, because only there can they
 * share pages; else to the thread that has the fewest exports, the first of equals. So what has no pages spreads evenly,
 * in the order of the config, and the same start gives the same places.
 */
import type { ExportSpec } from '../base/shard-port.js';

/** A shard, by the part of the arena that it has. */
export interface Place {
  readonly part: number;
  readonly thread: number;
  /** Whether it takes pools that are new: the parts of former workers only serve what they hold. */
  readonly isOpen: boolean;
}

export class Placement {
  readonly #places: readonly Place[];
  /** Exports by thread. */
  readonly #load = new Map<number, number>();
  /** Where the exports of a trust domain are, and how many. */
  readonly #domains = new Map<string, { readonly place: Place; exports: number }>();
  readonly #placed = new Map<string, { readonly place: Place; readonly domain: string | null }>();

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  /** @param holder - the part that has the pages of the export's pool, if any has */
  place(spec: Pick<ExportSpec, 'guest' | 'name'> & Partial<ExportSpec>, holder: number | undefined): number {
    const { domain = null } = spec;
    const held = this.#places.find(({ part }) => part === holder);
    const known = domain === null ? undefined : this.#domains.get(domain);
    const place = held ?? known?.place ?? this.#leastLoaded();
    this.#placed.set(keyOf(spec), { place, domain });
    this.#load.set(place.thread, this.#loadOf(place) + 1);
    if (known !== undefined) known.exports++;
    else if (domain !== null) this.#domains.set(domain, { place, exports: 1 });
    return place.part;
  }

  /** The part of an export that was placed. */
  partOf(spec: Pick<ExportSpec, 'guest' | 'name'>): number | undefined {
    return this.#placed.get(keyOf(spec))?.place.part;
  }

  /** It is served no more. */
  remove(spec: Pick<ExportSpec, 'guest' | 'name'>): void {
    const placed = this.#placed.get(keyOf(spec));
    if (placed === undefined) return;
    this.#placed.delete(keyOf(spec));
    this.#load.set(placed.place.thread, this.#loadOf(placed.place) - 1);
    if (placed.domain === null) return;
    const domain = this.#domains.get(placed.domain)!;
    if (--domain.exports === 0) this.#domains.delete(placed.domain);
  }

  /** Parts that exports of the guest are served by. */
  partsOf(guest: string): number[] {
    const parts = [...this.#placed].flatMap(([key, { place }]) => (key.startsWith(`${guest}/`) ? [place.part] : []));
    return [...new Set(parts)].toSorted((a, b) => a - b);
  }

  /** All that is served of the guest. */
  removeGuest(guest: string): void {
    for (const key of this.#placed.keys()) {
      const [its, name] = key.split('/');
      if (its === guest) this.remove({ guest, name: name! });
    }
  }

  #leastLoaded(): Place {
    const open = this.#places.filter(({ isOpen }) => isOpen);
    // An arena that is full may have none: then what is new goes where there is anything.
    return (open.length > 0 ? open : this.#places).reduce((least, place) =>
      this.#loadOf(place) < this.#loadOf(least) ? place : least,
    );
  }

  #loadOf({ thread }: Place): number {
    return this.#load.get(thread) ?? 0;
  }
}

/** No guest's name has a slash. */
function keyOf({ guest, name }: Pick<ExportSpec, 'guest' | 'name'>): string {
  return `${guest}/${name}`;
}
