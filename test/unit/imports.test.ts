/**
 * Layers are folders, and a folder imports only what its row lists: the table of docs/ARCHITECTURE.md, checked file by
 * file, with the other rules that a reader may rely on without looking.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { projectFolder } from '../../src/rig/tools.js';

const ALL_BELOW_SHARD = [
  'base',
  'evict',
  'sensor',
  'cmm',
  'wire',
  'io',
  'engine',
  'tmem',
  'tier',
  'layers',
  'hooks',
  'serve/data',
];

/** Everything not listed is forbidden. A folder may always import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  evict: ['base'],
  sensor: ['base'],
  cmm: ['base'],
  ledger: ['base'],
  wire: ['base'],
  policy: ['base', 'ledger', 'sensor'],
  io: ['base'],
  engine: ['base'],
  tmem: ['base', 'engine', 'evict'],
  tier: ['base', 'io', 'wire'],
  layers: ['base', 'engine', 'tmem', 'tier', 'io'],
  hooks: ['base', 'layers'],
  'serve/data': ['base', 'wire', 'tmem', 'layers', 'hooks', 'cmm'],
  shard: ALL_BELOW_SHARD,
  driver: ['base', 'wire'],
  host: ['base', 'ledger', 'sensor', 'policy'],
  'serve/control': ['base', 'host'],
  client: ['base', 'wire'],
  rig: ['base', 'driver'],
  lab: [...ALL_BELOW_SHARD, 'shard', 'ledger', 'policy', 'host', 'driver', 'client', 'rig'],
  daemon: [...ALL_BELOW_SHARD, 'shard', 'ledger', 'policy', 'host', 'driver', 'client', 'serve/control', 'rig'],
  cli: ['base', 'client', 'daemon', 'lab', 'rig'],
};

/** They never wait, read a clock, draw randomness or touch a socket: so a seed replays them. */
const SYNCHRONOUS = new Set(['engine', 'tmem', 'evict', 'cmm', 'ledger', 'sensor', 'policy']);

/** A file that passes this holds more than one thing. */
const LINES_MAX = 400;

interface Source {
  /** From the project's folder. */
  readonly file: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
}

const sources = filesBelow('src');
const products = sources.filter(({ file }) => !file.endsWith('.test.ts'));

test('a folder imports only what its row lists', () => {
  const wrong = products.flatMap(({ file, code }) => {
    const from = layerOf(file);
    const row = MAY_IMPORT[from];
    if (row === undefined) return [`${file}: folder ${from} is in no row`];
    return importsOf(code)
      .map((imported) => path.normalize(path.join(path.dirname(file), imported)))
      .map((imported) => (imported.startsWith('src/') ? layerOf(imported) : imported))
      .filter((to) => to !== from && !row.includes(to))
      .map((to) => `${file} imports ${to}`);
  });
  assert.deepEqual(wrong, []);
});

test('one file alone touches the kernel, and tests alone its twin', () => {
  const reaching = products.filter(({ code }) => /kernel\.wasm|WebAssembly\./.test(code)).map(({ file }) => file);
  assert.deepEqual(reaching, ['src/engine/kernel.ts']);
  const twins = products.filter(({ file, code }) => !file.includes('/reference/') && code.includes('/reference/'));
  assert.deepEqual(names(twins), []);
});

test('layers that a seed must replay are synchronous and know no clock, chance, file or socket', () => {
  const banned =
    /\bawait\b|\basync\b|\bPromise\b|\bDate\b|Math\.random|\bset(Timeout|Interval|Immediate)\b|\bprocess\.|'node:(?!fs')|from 'node:fs\/promises'/;
  const core = products.filter(({ file }) => SYNCHRONOUS.has(layerOf(file)));
  assert.deepEqual(
    core.flatMap(({ file, code }) => linesWith(file, code, banned)),
    [],
  );
  // The kernel's code is read from a file, once.
  assert.deepEqual(names(core.filter(({ code }) => code.includes("'node:fs'"))), ['src/engine/kernel.ts']);
});

test('chance comes from a seed or from crypto', () => {
  const all = [...sources, ...filesBelow('test'), ...filesBelow('bench')];
  assert.deepEqual(
    all.filter(({ file }) => !isThisFile(file)).flatMap(({ file, code }) => linesWith(file, code, /Math\.random/)),
    [],
  );
});

test('nothing is left for later, marked to run alone, or exported without a name', () => {
  const banned = /\bFIXME\b|\bTODO\b|\bXXX\b|\.only\(|\bexport default\b|^enum |^export enum |^export \* /m;
  const all = [...sources, ...filesBelow('kernel'), ...filesBelow('test'), ...filesBelow('bench')];
  assert.deepEqual(
    all.filter(({ file }) => !isThisFile(file)).flatMap(({ file, text }) => linesWith(file, text, banned)),
    [],
  );
});

test(`no source is longer than ${LINES_MAX} lines`, () => {
  const long = [...products, ...filesBelow('kernel')].filter(({ text }) => text.split('\n').length - 1 > LINES_MAX);
  assert.deepEqual(names(long), []);
});

test('the core throws nothing but our own kinds of errors', () => {
  const core = products.filter(({ file }) => ['engine', 'hooks', 'layers', 'wire'].includes(layerOf(file)));
  assert.deepEqual(
    core.flatMap(({ file, code }) => linesWith(file, code, /throw new (Error|TypeError|RangeError)\(/)),
    [],
  );
});

function filesBelow(folder: string): Source[] {
  const root = projectFolder();
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .toSorted()
    .map((name) => {
      const file = path.join(folder, name);
      const text = readFileSync(path.join(root, file), 'utf8');
      return { file, text, code: text.replaceAll(/\/\*[^]*?\*\//g, blank).replaceAll(/(?<=^|\s)\/\/.*$/gm, '') };
    });
}

/** Line numbers stay. */
function blank(comment: string): string {
  return comment.replaceAll(/[^\n]/g, '');
}

/** `src/serve/data/nbd/x.ts` is of `serve/data`, `src/engine/x.ts` of `engine`. */
function layerOf(file: string): string {
  const [, first = '', second = ''] = file.split(path.sep);
  return first === 'serve' ? `${first}/${second}` : first;
}

/** Relative ones; what a package is called is no layer. */
function importsOf(code: string): string[] {
  return [...code.matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(([, imported]) => imported!);
}

function linesWith(file: string, text: string, pattern: RegExp): string[] {
  return text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}: ${line.trim()}`] : []));
}

function names(found: readonly Source[]): string[] {
  return found.map(({ file }) => file);
}

/** Which names what it bans. */
function isThisFile(file: string): boolean {
  return file === path.join('test', 'unit', 'imports.test.ts');
}
