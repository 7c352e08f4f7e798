/**
 * What a part of a disk may read as, page by page: one content where all was acknowledged, more where a request ended
 * without an answer or in an error. Reading tells which it is, and from then on it is only that one.
 */
import { PAGE_BYTES } from '../../src/base/units.js';

const ZEROS: Uint8Array = Buffer.alloc(PAGE_BYTES);

export class PageModel {
  readonly #pages: Uint8Array[][];

  constructor(pages: number) {
    this.#pages = Array.from({ length: pages }, () => [ZEROS]);
  }

  get pages(): number {
    return this.#pages.length;
  }

  /** Whether only one content is possible: a write of part of it has a known outcome. */
  isKnown(page: number): boolean {
    return this.#pages[page]!.length === 1;
  }

  /** The pages that writing `bytes` at `offset` makes. All of them must be known. Undefined `bytes`: zeros. */
  changed(offset: number, length: number, bytes?: Uint8Array): { page: number; content: Uint8Array }[] {
    const changes = [];
    for (let at = offset; at < offset + length;) {
      const page = Math.floor(at / PAGE_BYTES);
      const start = at - page * PAGE_BYTES;
      const end = Math.min(PAGE_BYTES, start + offset + length - at);
      const content = Buffer.from(this.#pages[page]![0]!);
      if (bytes === undefined) content.fill(0, start, end);
      else content.set(bytes.subarray(at - offset, at - offset + end - start), start);
      changes.push({ page, content });
      at += end - start;
    }
    return changes;
  }

  /** The change was acknowledged. */
  become(page: number, content: Uint8Array): void {
    this.#pages[page] = [content];
  }

  /** The change may have happened. */
  mayBecome(page: number, content: Uint8Array): void {
    this.#pages[page]!.push(content);
  }

  /** What was read there is allowed; it is known then. @returns what is wrong */
  resolve(page: number, content: Uint8Array): string | undefined {
    const allowed = this.#pages[page]!;
    const found = allowed.find((each) => Buffer.compare(each, content) === 0);
    if (found === undefined) {
      return `page ${page} is none of ${allowed.length}: it begins ${Buffer.from(content.subarray(0, 32)).toString('hex')}, not ${allowed.map((each) => Buffer.from(each.subarray(0, 32)).toString('hex')).join(' or ')}`;
    }
    this.#pages[page] = [found];
    return undefined;
  }
}
