/**
 * What a guest says on its console. Everything meant for us is a tagged line; the rest is the kernel's.
 *
 *     HOG done bad=0 reads=51234        tag HOG, word done, fields bad and reads
 *     GUEST pswpin=51240 pswpout=30001  tag GUEST, no word
 */

export interface Report {
  /** Upper case: which program speaks. */
  readonly tag: string;
  /** What happened, or empty where the line only carries figures. */
  readonly word: string;
  readonly fields: Readonly<Record<string, string>>;
}

const TAGGED = /^(?<tag>[A-Z]{3,})(?: (?<word>[a-z-]+))?(?<fields>(?: [a-z_]+=\S*)*)$/;

/** Undefined where the line is not a report. */
export function readReport(line: string): Report | undefined {
  const groups = TAGGED.exec(line)?.groups;
  if (groups?.['tag'] === undefined) return undefined;
  const pairs = (groups['fields'] ?? '').split(' ').filter((pair) => pair !== '');
  const fields = Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  return { tag: groups['tag'], word: groups['word'] ?? '', fields };
}

/** A field as a number, NaN where it is missing or is none. */
export function numberIn(report: Report, field: string): number {
  const text = report.fields[field];
  return text === undefined || text === '' ? NaN : Number(text);
}
