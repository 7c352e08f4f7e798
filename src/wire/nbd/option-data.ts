/**
 * The data of the options that have a structure, taken apart. Lengths in them are a client's claims: each is checked
 * against what is left before it is used, and whatever does not fit exactly is `undefined`, for ERR_INVALID.
 *
 *     INFO, GO        u32 n, name[n], u16 count, count × u16 information
 *     LIST_, SET_     u32 n, name[n], u32 count, count × (u32 n, query[n])
 *     META_CONTEXT
 */
import { STRING_BYTES_MAX } from './constants.js';

export interface InfoRequest {
  readonly name: string;
  readonly infos: ReadonlySet<number>;
}

export interface MetaRequest {
  readonly name: string;
  readonly queryCount: number;
  /** Whether any query passed the test given to {@link parseMetaRequest}. */
  readonly matched: boolean;
}

export function parseInfoRequest(data: Uint8Array): InfoRequest | undefined {
  const cursor = new Cursor(data);
  const name = cursor.text(cursor.u32());
  const count = cursor.u16();
  const infos = new Set<number>();
  for (let n = 0; n < count && !cursor.failed; n++) infos.add(cursor.u16());
  return cursor.finished && name !== undefined ? { name, infos } : undefined;
}

/** @param matches - is shown each query, in order */
export function parseMetaRequest(data: Uint8Array, matches: (query: Uint8Array) => boolean): MetaRequest | undefined {
  const cursor = new Cursor(data);
  const name = cursor.text(cursor.u32());
  const queryCount = cursor.u32();
  let matched = false;
  for (let n = 0; n < queryCount && !cursor.failed; n++) matched = matches(cursor.string(cursor.u32())) || matched;
  return cursor.finished && name !== undefined ? { name, queryCount, matched } : undefined;
}

/** @returns undefined for what no export can be called: too long, or not UTF-8. */
export function parseName(data: Uint8Array): string | undefined {
  if (data.length > STRING_BYTES_MAX) return undefined;
  try {
    return utf8.decode(data);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const NOTHING = new Uint8Array(0);

/** Reads from the front; once a read does not fit it has failed, and everything after it reads as zero. */
class Cursor {
  failed = false;
  readonly #data: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get finished(): boolean {
    return !this.failed && this.#at === this.#data.length;
  }

  u16(): number {
    return this.#take(2) ? this.#view.getUint16(this.#at - 2) : 0;
  }

  u32(): number {
    return this.#take(4) ? this.#view.getUint32(this.#at - 4) : 0;
  }

  string(bytes: number): Uint8Array {
    if (bytes > STRING_BYTES_MAX) this.failed = true;
    return this.#take(bytes) ? this.#data.subarray(this.#at - bytes, this.#at) : NOTHING;
  }

  text(bytes: number): string | undefined {
    return parseName(this.string(bytes));
  }

  #take(bytes: number): boolean {
    // Compared by subtraction, although no sum of these overflows a double: the reader need not think about it.
    if (this.failed || bytes > this.#data.length - this.#at) {
      this.failed = true;
      return false;
    }
    this.#at += bytes;
    return true;
  }
}
