/** A name that nothing has: told with what was most likely meant. */
import { TmemError } from './errors.js';
import { nearest } from './nearest.js';

/** Longer ones are cut: they are nobody's name. */
const SHOWN_MAX = 60;

/** E_NOT_FOUND. @param what - "guest", "export", "pool" */
export function notFound(what: string, name: string, known: readonly string[]): TmemError {
  const near = nearest(name.slice(0, SHOWN_MAX), known);
  const hint = near === undefined ? 'there are none' : `the nearest is "${near}", "tmem status" lists all`;
  return new TmemError('E_NOT_FOUND', `no ${what} ${quoted(name)}: ${hint}`);
}

/** In quotes, for a line of a terminal: whatever else it holds, no control character. */
export function quoted(name: string): string {
  const shown = name.length > SHOWN_MAX ? `${name.slice(0, SHOWN_MAX - 3)}...` : name;
  return `"${shown.replaceAll(/[^ -~]|["\\]/g, escaped)}"`;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
