import { TmemError } from '../../base/errors.js';

/**
 * Lines and fields of a trace as bytes: no string is made of a line that is in order, so that millions of lines cost
 * little. Fields are separated by blanks, tabs or commas; empty lines are passed over.
 */
export class TextLines {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  readonly #form: string;
  #next = 0;
  #at = 0;
  #end = 0;
  #line = 0;

  /** `name` and `form`, what a line should look like, are for the words of an error. */
  constructor(bytes: Uint8Array, name: string, form: string) {
    this.#bytes = bytes;
    this.#name = name;
    this.#form = form;
  }

  /** From 1. */
  get line(): number {
    return this.#line;
  }

  /** Goes to the next line that is not empty. @returns false at the end */
  advance(): boolean {
    while (this.#next < this.#bytes.length) {
      const found = this.#bytes.indexOf(NEWLINE, this.#next);
      this.#at = this.#next;
      this.#end = found < 0 ? this.#bytes.length : found;
      this.#next = this.#end + 1;
      this.#line++;
      if (this.#skipBlanks()) return true;
    }
    return false;
  }

  /** Whether the rest of the line begins with a letter: a heading. */
  startsWithLetter(): boolean {
    const byte = this.#bytes[this.#at]! | 32;
    return byte >= 97 && byte <= 122;
  }

  /** Whether the rest of the line is `*` alone. */
  isStar(): boolean {
    const rest = this.#at + 1;
    return this.#bytes[this.#at] === STAR && (rest === this.#end || isBlank(this.#bytes[rest]!));
  }

  /** The next field as a decimal number from 0 to 2^53 - 1. @throws TmemError E_TRACE when it is none */
  number(): number {
    if (!this.#skipBlanks()) this.refuse();
    let value = 0;
    const start = this.#at;
    for (; this.#at < this.#end && !isBlank(this.#bytes[this.#at]!); this.#at++) {
      const digit = this.#bytes[this.#at]! - ZERO;
      if (digit < 0 || digit > 9) this.refuse();
      value = value * 10 + digit;
    }
    if (this.#at - start > DIGITS_MAX || value > Number.MAX_SAFE_INTEGER) this.refuse();
    return value;
  }

  /** The next field as it stands. @throws TmemError E_TRACE when there is none, or when it is longer than `most` */
  word(most: number): string {
    if (!this.#skipBlanks()) this.refuse();
    const start = this.#at;
    while (this.#at < this.#end && !isBlank(this.#bytes[this.#at]!)) this.#at++;
    if (this.#at - start > most) this.refuse();
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#at - start).toString('latin1');
  }

  /** @throws TmemError E_TRACE when there are more fields on the line */
  end(): void {
    if (this.#skipBlanks()) this.refuse();
  }

  /** @throws TmemError E_TRACE always, with the line and its number */
  refuse(why = `is not "${this.#form}"`): never {
    const start = this.#bytes.lastIndexOf(NEWLINE, this.#end - 1) + 1;
    const shown = Buffer.from(this.#bytes.subarray(start, Math.min(this.#end, start + SHOWN_MAX))).toString('latin1');
    throw new TmemError(
      'E_TRACE',
      `${this.#name}, line ${this.#line}: ${JSON.stringify(shown)} ${why}; name the format that the file has`,
    );
  }

  #skipBlanks(): boolean {
    while (this.#at < this.#end && isBlank(this.#bytes[this.#at]!)) this.#at++;
    return this.#at < this.#end;
  }
}

const NEWLINE = 10;
const STAR = 42;
const ZERO = 48;
/** Of the largest number; more are refused before they lose their meaning. */
const DIGITS_MAX = 16;
/** Of a line that an error shows. */
const SHOWN_MAX = 60;

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 44 || byte === 13;
}
