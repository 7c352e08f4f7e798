/**
 * What happened to pages, asked for by many at once, and whether it could have happened one request after the other:
 * each page a register of which every read returns the newest write, or one that was under way with it. Decided exactly
 * where all contents of a page differ, by the zones of Gibbons and Korach (Testing Shared Memories, SIAM J. Comput. 26,
 * 1997): a write and the reads of it are a cluster,
 *
 *     first end < last beginning:   forward zone between them, where the page surely held it; no two may overlap
 *     else:                         backward zone, somewhere in which it was held; none may lie within a forward one
 *
 * Zeros have no writer's mark. So a page is discarded only when the zeros before are surely gone, and a read that may
 * mean either zeros is left out.
 */

/** A content and when it can have been there; in ticks. */
interface Cluster {
  readonly version: number;
  /** Where its write began: no read of it ends before. */
  readonly begun: number;
  /** Of the write and the reads: the first that ended, Infinity if none has. */
  firstEnd: number;
  /** And the last that began. */
  lastBegun: number;
  answered: boolean;
  isRead: boolean;
}

/** Zeros. */
const DISCARDED = 0;

class Page {
  readonly clusters = new Map<number, Cluster>();
  readonly zeros: Cluster[] = [];
  /** When the zeros before the latest ones were surely gone. */
  zerosGoneAt = 0;
  /** The same of the latest ones; Infinity: not yet. */
  latestGoneAt = Infinity;
}

export class PageHistory {
  readonly counts = { writes: 0, discards: 0, reads: 0, contendedReads: 0, ambiguousReads: 0, lost: 0 };
  readonly #pages: Page[];
  readonly #open = new Map<Cluster, Page>();
  #tick = 1;

  /** Of pages that nobody has written. */
  constructor(pages: number) {
    this.#pages = Array.from({ length: pages }, () => {
      const page = new Page();
      page.zeros.push({ version: DISCARDED, begun: 0, firstEnd: 0, lastBegun: 0, answered: true, isRead: false });
      return page;
    });
  }

  /** A moment, for where a read begins. */
  now(): number {
    return ++this.#tick;
  }

  /** Begins a write of a content that no other write of the page has. `version` over 0. @returns ends it, when it is answered */
  write(at: number, version: number): () => void {
    const page = this.#pages[at]!;
    const cluster = this.#begin(page, version);
    page.clusters.set(version, cluster);
    this.counts.writes++;
    const zeros = page.zeros.at(-1)!;
    return () => {
      this.#end(cluster);
      if (zeros === page.zeros.at(-1) && zeros.firstEnd < cluster.begun && !this.#open.has(zeros))
        page.latestGoneAt = Math.min(page.latestGoneAt, this.#tick);
    };
  }

  mayDiscard(at: number): boolean {
    return this.#pages[at]!.latestGoneAt < Infinity;
  }

  /** As a write. Only where {@link PageHistory.mayDiscard} allows it. */
  discard(at: number): () => void {
    const page = this.#pages[at]!;
    page.zerosGoneAt = page.latestGoneAt;
    page.latestGoneAt = Infinity;
    const cluster = this.#begin(page, DISCARDED);
    page.zeros.push(cluster);
    this.counts.discards++;
    return () => this.#end(cluster);
  }

  /** A read that began at `begun` and has ended now. `version` 0: zeros. @throws when nobody has written that */
  read(at: number, begun: number, version: number): void {
    const page = this.#pages[at]!;
    const ended = this.now();
    this.counts.reads++;
    if ([...this.#open.values()].includes(page)) this.counts.contendedReads++;
    if (version === DISCARDED && begun <= page.zerosGoneAt) {
      this.counts.ambiguousReads++;
      return;
    }
    const cluster = version === DISCARDED ? page.zeros.at(-1) : page.clusters.get(version);
    if (cluster === undefined) throw new Error(`page ${at}: version ${version} was never written`);
    cluster.isRead = true;
    cluster.firstEnd = Math.min(cluster.firstEnd, ended);
    cluster.lastBegun = Math.max(cluster.lastBegun, begun);
  }

  /** Nobody is there to answer any more: what is under way has been done by now, or never will be. */
  cut(): void {
    const now = this.now();
    this.counts.lost += this.#open.size;
    for (const cluster of this.#open.keys()) cluster.firstEnd = Math.min(cluster.firstEnd, now);
    this.#open.clear();
  }

  /** @throws when some page was read as it cannot have been */
  check(): void {
    for (const [at, page] of this.#pages.entries()) {
      const wrong = contradiction([...page.clusters.values(), ...page.zeros]);
      if (wrong !== undefined) throw new Error(`page ${at}: ${wrong}`);
    }
  }

  #begin(page: Page, version: number): Cluster {
    const begun = this.now();
    const cluster = { version, begun, firstEnd: Infinity, lastBegun: begun, answered: false, isRead: false };
    this.#open.set(cluster, page);
    return cluster;
  }

  #end(cluster: Cluster): void {
    this.#open.delete(cluster);
    cluster.answered = true;
    cluster.firstEnd = Math.min(cluster.firstEnd, this.now());
  }
}

function contradiction(clusters: readonly Cluster[]): string | undefined {
  // A write that was neither answered nor seen need not have happened.
  const happened = clusters.filter(({ answered, isRead }) => answered || isRead);
  const forward = happened
    .filter(({ firstEnd, lastBegun }) => firstEnd < lastBegun)
    .toSorted((a, b) => a.firstEnd - b.firstEnd);
  for (const [n, zone] of forward.entries()) {
    const before = forward[n - 1];
    if (before !== undefined && zone.firstEnd < before.lastBegun) return `${told(zone)} while it held ${told(before)}`;
  }
  for (const zone of happened) {
    if (zone.firstEnd < zone.lastBegun) continue;
    const around = lastBefore(forward, zone.lastBegun);
    if (around !== undefined && zone.firstEnd < around.lastBegun) return `${told(zone)} while it held ${told(around)}`;
  }
  return undefined;
}

/** The last of the zones, which are in order, that begins before the moment. */
function lastBefore(zones: readonly Cluster[], moment: number): Cluster | undefined {
  let [low, high] = [0, zones.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (zones[middle]!.firstEnd < moment) low = middle + 1;
    else high = middle;
  }
  return zones[low - 1];
}

function told({ version, begun, firstEnd, lastBegun }: Cluster): string {
  const what = version === DISCARDED ? 'zeros' : `version ${version}`;
  return `${what} (from ${begun}; first end ${firstEnd}, last beginning ${lastBegun})`;
}
