/**
 * A guest's swap disk that is written with a few contents over and over, so that it shares with others: each page's content
 * is a number, and what it may be after a daemon was killed under it is known.
 */
import type { Prng } from '../../src/base/prng.js';
import { PAGE_BYTES } from '../../src/base/units.js';
import type { NbdClient } from './nbd-client.js';
import { content, contentBytes, MARK } from './sharing-engine.js';

const IN_FLIGHT = 8;
const READ_PAGES = 64;
const TRIM_PAGES_MAX = 8;

/** What a page is, and the domain in which it was put: null in none. A hole is undefined. */
export interface SharingPage {
  readonly number: number;
  readonly domain: string | null;
}

export class SharingDisk {
  /** `GUEST/NAME`. */
  readonly name: string;
  readonly pages: (SharingPage | undefined)[];
  /** Where its daemon puts it now. */
  domain: string | null;
  acknowledged = 0;
  readonly #prng: Prng;
  readonly #numbers: number;
  /** Pages that a request is under way for, and what they become. */
  readonly #under = new Map<number, SharingPage | undefined>();

  /** @param numbers - of contents: as few as make it share */
  constructor(name: string, domain: string | null, pages: number, numbers: number, prng: Prng) {
    this.name = name;
    this.domain = domain;
    this.pages = Array.from({ length: pages }, () => undefined);
    this.#numbers = numbers;
    this.#prng = prng;
  }

  /** Random puts and trims until the connection ends. */
  async load(client: NbdClient): Promise<void> {
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#requests(client)));
  }

  async put(client: NbdClient, page: number, number: number): Promise<void> {
    await this.#change(page, 1, { number, domain: this.domain }, () =>
      client.write(page * PAGE_BYTES, knownOf(number).page),
    );
  }

  async trim(client: NbdClient, page: number, count = 1): Promise<void> {
    await this.#change(page, count, undefined, () => client.trim(page * PAGE_BYTES, count * PAGE_BYTES));
  }

  /**
   * Reads all of it, and finds out what became of the requests that were not answered.
   *
   * @throws when a page is nothing that it may be
   */
  async verify(client: NbdClient): Promise<void> {
    for (let first = 0; first < this.pages.length; first += READ_PAGES) {
      const count = Math.min(READ_PAGES, this.pages.length - first);
      const bytes = await client.read(first * PAGE_BYTES, count * PAGE_BYTES);
      for (let page = first; page < first + count; page++) {
        this.#settle(page, bytes.subarray((page - first) * PAGE_BYTES, (page - first + 1) * PAGE_BYTES));
      }
    }
    this.#under.clear();
  }

  /** What the daemon should say of it. */
  get figures(): { pages: number; sharedPages: number; storedBytes: number } {
    const stored = this.pages.filter((page) => page !== undefined);
    const shared = stored.filter(({ domain }) => domain !== null);
    const bytes = stored.reduce((sum, { number }) => sum + knownOf(number).bytes, 0);
    return { pages: stored.length, sharedPages: shared.length, storedBytes: bytes + shared.length * MARK };
  }

  #settle(page: number, bytes: Buffer): void {
    const mayBe = this.#under.has(page) ? [this.#under.get(page), this.pages[page]] : [this.pages[page]];
    const found = mayBe.findIndex((each) => bytes.equals(each === undefined ? ZEROS : knownOf(each.number).page));
    if (found < 0) {
      const numbers = mayBe.map((each) => each?.number ?? 'nothing').join(' or ');
      throw new Error(`${this.name} page ${page} is not ${numbers}`);
    }
    this.pages[page] = mayBe[found];
  }

  async #requests(client: NbdClient): Promise<void> {
    for (;;) {
      const page = this.#prng.below(this.pages.length);
      try {
        if (this.#prng.below(4) > 0) await this.put(client, page, 1 + this.#prng.below(this.#numbers));
        else {
          const count = 1 + this.#prng.below(TRIM_PAGES_MAX);
          await this.trim(client, page, Math.min(count, this.pages.length - page));
        }
      } catch (error) {
        if (client.socket.destroyed) return;
        throw error;
      }
    }
  }

  async #change(
    first: number,
    count: number,
    becomes: SharingPage | undefined,
    request: () => Promise<void>,
  ): Promise<void> {
    const pages = Array.from({ length: count }, (_, at) => first + at);
    if (pages.some((page) => this.#under.has(page))) return;
    for (const page of pages) this.#under.set(page, becomes);
    await request();
    for (const page of pages) {
      this.pages[page] = becomes;
      this.#under.delete(page);
    }
    this.acknowledged++;
  }
}

/** What the store should say that all disks of it share. */
export function sharingOf(disks: readonly SharingDisk[]): { contents: number; savedBytes: number } {
  const met = new Set<string>();
  let savedBytes = 0;
  for (const page of disks.flatMap(({ pages }) => pages)) {
    if (page === undefined || page.domain === null) continue;
    const key = `${page.domain} ${page.number}`;
    if (met.has(key)) savedBytes += knownOf(page.number).bytes;
    met.add(key);
  }
  return { contents: met.size, savedBytes };
}

const ZEROS = Buffer.alloc(PAGE_BYTES);

const known = new Map<number, { page: Buffer; bytes: number }>();

function knownOf(number: number): { page: Buffer; bytes: number } {
  const found = known.get(number) ?? { page: content(number), bytes: contentBytes(number) };
  known.set(number, found);
  return found;
}
