/**
 * A reader of Prometheus' text format, by its description and not by our writer: character by character, strict where
 * the format is. For tests.
 */

export interface ReadSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ReadSample[];
}

/** @throws Error with the line that is not of the format */
export function readMetrics(text: string): ReadFamily[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
  const families: { name: string; type: string; help: string; samples: ReadSample[] }[] = [];
  const series = new Set<string>();
  let help: { name: string; text: string } | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/s.exec(line) ?? [];
    if (keyword === 'HELP') {
      help = { name, text: unescaped(rest, 'n\\') };
    } else if (keyword === 'TYPE') {
      if (help?.name !== name) throw new Error(`TYPE without its HELP: ${line}`);
      if (!['counter', 'gauge', 'histogram'].includes(rest)) throw new Error(`no type: ${line}`);
      if (families.some((family) => family.name === name)) throw new Error(`a family twice: ${line}`);
      families.push({ name, type: rest, help: help.text, samples: [] });
    } else {
      const sample = readSample(line);
      const family = families.at(-1);
      const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (family === undefined || !suffixes.some((suffix) => sample.name === family.name + suffix))
        throw new Error(`a sample outside its family: ${line}`);
      const key = JSON.stringify([sample.name, [...sample.labels].toSorted(([a], [b]) => (a < b ? -1 : 1))]);
      if (series.has(key)) throw new Error(`a series twice: ${line}`);
      series.add(key);
      family.samples.push(sample);
    }
  }
  return families;
}

function readSample(line: string): ReadSample {
  let at = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(line)?.[0];
    if (found === undefined) throw new Error(`not of the format at column ${at + 1}: ${line}`);
    at += found.length;
    return found;
  };
  const name = take(/[a-zA-Z_:][\w:]*/y);
  const labels = new Map<string, string>();
  if (line[at] === '{') {
    at++;
    while (line[at] !== '}') {
      const label = take(/[a-zA-Z_]\w*/y);
      take(/="/y);
      const value = take(/(?:[^"\\\n]|\\.)*/y);
      take(/",?/y);
      if (labels.has(label)) throw new Error(`a label twice: ${line}`);
      labels.set(label, unescaped(value, 'n\\"'));
    }
    at++;
  }
  take(/ /y);
  const value = take(/\+Inf|-Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/y);
  if (at !== line.length) throw new Error(`more than a sample: ${line}`);
  return { name, labels, value: value.endsWith('Inf') ? Number(`${value}inity`) : Number(value) };
}

function unescaped(text: string, known: string): string {
  return text.replaceAll(/\\(.?)/gs, (_, character: string) => {
    if (character === '' || !known.includes(character)) throw new Error(`no such escape: \\${character}`);
    return character === 'n' ? '\n' : character;
  });
}
