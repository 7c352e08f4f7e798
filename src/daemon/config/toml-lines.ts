/**
 * On which line of a TOML text a key stands. The parser we use gives lines for mistakes of syntax only; a mistake of
 * meaning is found later, in the parsed tables, by its path. So the text is scanned once more, for headers and keys:
 *
 *      [guest.vm1]            path guest, vm1
 *      weight = 5             path guest, vm1, weight
 *      swap.swap0.size = 1    path guest, vm1, swap, swap0, size
 *
 * Keys inside an inline table are not looked for: they get the line of the key that holds it.
 */

/** Line (from 1) where `path` is given, or the longest part of it that is written out; 1 if none is. */
export function lineOfKey(text: string, path: readonly string[]): number {
  let table: string[] = [];
  let openString: string | undefined;
  let line = 1;
  let found = 1;
  let foundLength = 0;
  const meet = (written: readonly string[]): void => {
    const shared = sharedLength(written, path);
    // A longer key than asked for (`swap.swap0.size` for `swap`) still opens every table on its way.
    if (shared > foundLength) [found, foundLength] = [line, shared];
  };
  for (const content of text.split('\n')) {
    if (openString !== undefined) {
      if (content.includes(openString)) openString = undefined;
    } else {
      const header = /^\s*\[\[?([^\]]*)\]/.exec(content);
      const key = header === null ? /^\s*((?:"[^"]*"|'[^']*'|[\w.\s-])+?)\s*=(.*)$/.exec(content) : null;
      if (header !== null) meet((table = keyParts(header[1]!)));
      if (key !== null) {
        meet([...table, ...keyParts(key[1]!)]);
        openString = unclosed(key[2]!);
      }
    }
    line++;
  }
  return found;
}

function keyParts(written: string): string[] {
  return [...written.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map((part) => part[1] ?? part[2] ?? part[3]!);
}

function sharedLength(a: readonly string[], b: readonly string[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

/** The quotes of a multi-line string that begins in `value` and goes on below. */
function unclosed(value: string): string | undefined {
  return ['"""', "'''"].find((quotes) => value.split(quotes).length === 2);
}
