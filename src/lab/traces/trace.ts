/**
 * A trace of page references: what a program, a guest or a disk was asked for, in order. Pages are numbered from 0 in
 * the order in which they first appear, so that simulators keep what they know of a page in arrays.
 */
export interface Trace {
  /** One number for each reference. */
  readonly pages: Uint32Array;
  /** How many pages there are. */
  readonly distinct: number;
  /** What else is known of each reference, where the format says it. */
  readonly details: TraceDetails | null;
}

/** Columns beside `pages`, of the format `refs`. */
export interface TraceDetails {
  /** Microseconds, never less than before. */
  readonly times_us: Float64Array;
  /** By number, as `guestOf` has it. */
  readonly guests: readonly string[];
  readonly guestOf: Uint16Array;
  /** 1 of an anonymous page, 0 of a file's. */
  readonly anonymous: Uint8Array;
  /** 1 of a write, 0 of a read. */
  readonly writes: Uint8Array;
}

/** Most references of one trace: their columns are to fit into memory. */
export const REFERENCES_MAX: number = 2 ** 28;

/** Collects the references of a trace and numbers their pages. */
export class TraceBuilder {
  readonly #numbers = new Map<number | string, number>();
  #pages = new Uint32Array(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** `page` is whatever tells pages apart. @returns false when the trace has {@link REFERENCES_MAX} already */
  add(page: number | string): boolean {
    if (this.#count === REFERENCES_MAX) return false;
    let number = this.#numbers.get(page);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(page, number);
    }
    if (this.#count === this.#pages.length) {
      const larger = new Uint32Array(this.#pages.length * 2);
      larger.set(this.#pages);
      this.#pages = larger;
    }
    this.#pages[this.#count++] = number;
    return true;
  }

  finish(details: TraceDetails | null = null): Trace {
    return { pages: this.#pages.slice(0, this.#count), distinct: this.#numbers.size, details };
  }
}
