/**
 * The config file as values: TOML text in, checked tables out. Every mistake is E_CONFIG and names the file, the line
 * and the key. Known keys whose part is not built yet are mistakes too: a limit that is silently ignored is one that its
 * owner counts on. `[policy]` and `weight` are the exceptions that the contract makes:
 * accepted, and without effect until there is a policy.
 *
 * Only what the text says is judged here; defaults and the machine come in at `resolve-config`.
 */
import { resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { TmemError } from '../../base/errors.js';
import { exportSizeProblem } from '../../base/export-size.js';
import { EXPORT_NAME, EXPORT_NAME_RULE, GUEST_NAME, GUEST_NAME_RULE } from '../../base/names.js';
import { capacityProblem, WORKERS_MAX } from '../../base/capacity.js';
import { nearest } from '../../base/nearest.js';
import { EXPORTS_PER_GUEST_MAX, type LogLevel } from '../../base/shard-port.js';
import { parseSize } from '../../base/size.js';
import { spillPathProblem } from '../../base/spill-path.js';
import { type HttpAddress, parseHttpAddress } from './http-address.js';
import { lineOfKey } from './toml-lines.js';

export const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** What the file says; what it leaves out is undefined. */
export interface FileConfig {
  readonly capacityBytes?: number | undefined;
  readonly arena?: string | undefined;
  readonly runDir?: string | undefined;
  /** `off` is none. */
  readonly http?: HttpAddress | 'off' | undefined;
  readonly tokenFile?: string | undefined;
  readonly workers?: number | undefined;
  readonly logLevel?: LogLevel | undefined;
  readonly guests: readonly FileGuest[];
}

export interface FileGuest {
  readonly name: string;
  readonly kind: 'vm' | 'process';
  readonly weight: number;
  readonly capBytes: number | null;
  readonly reservationBytes: number | null;
  readonly owner: string | null;
  readonly swaps: readonly FileSwap[];
}

export interface FileSwap {
  readonly name: string;
  readonly sizeBytes: number;
  readonly spill: string | null;
  /** Set where it has dedup. */
  readonly domain: string | null;
}

/** @throws TmemError E_CONFIG */
export function parseConfig(text: string, file: string): FileConfig {
  const fail: (path: readonly string[], what: string) => never = (path, what) => {
    throw new TmemError('E_CONFIG', `${file} line ${lineOfKey(text, path)}: ${what}`);
  };
  const outcome = v.safeParse(fileSchema, parseToml(text, file), { abortEarly: false });
  if (!outcome.success) {
    // An unknown key first: a mistyped `size` is also a missing one, and the first says more.
    const issue = outcome.issues.find(isUnknownKey) ?? outcome.issues[0];
    return fail(pathOf(issue), isUnknownKey(issue) ? describeUnknownKey(pathOf(issue)) : describe(issue));
  }
  const said = outcome.output;
  for (const { path, key } of notAvailable(said)) fail(path, `"${key}" is not available in this version: take it out`);
  for (const [name, { swap = {} }] of Object.entries(said.guest ?? {})) {
    const tooMany = Object.keys(swap)[EXPORTS_PER_GUEST_MAX];
    if (tooMany === undefined) continue;
    fail(['guest', name, 'swap', tooMany], `guest ${name} has over ${EXPORTS_PER_GUEST_MAX} swap disks: take some out`);
  }
  for (const path of dedupWithSpill(said))
    fail(path, 'pages that share memory cannot spill in this version: take out dedup or spill');
  for (const { path, other } of spillsTwice(said))
    fail(path, `the spill file is that of ${other} too: each export needs its own`);
  return {
    capacityBytes: said.capacity,
    arena: said.arena,
    runDir: said.run_dir,
    http: said.http,
    tokenFile: said.token_file,
    workers: said.workers,
    logLevel: said.log_level,
    guests: Object.entries(said.guest ?? {}).map(([name, guest]) => ({
      name,
      kind: guest.kind ?? 'vm',
      weight: guest.weight ?? WEIGHT_DEFAULT,
      capBytes: guest.cap ?? null,
      reservationBytes: guest.reservation ?? null,
      owner: guest.owner ?? null,
      swaps: Object.entries(guest.swap ?? {}).map(([swap, { size, spill, dedup }]) => ({
        name: swap,
        sizeBytes: size,
        spill: spill ?? null,
        domain: dedup === true ? domainOf(name, guest.trust) : null,
      })),
    })),
  };
}

export const WEIGHT_DEFAULT = 100;

/** A value of type `T`, or an issue with the parser's words. */
function checked<T>(
  parseValue: (value: unknown) => { readonly value: T } | { readonly problem: string },
): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const parsed = parseValue(dataset.value);
      if ('value' in parsed) return parsed.value;
      addIssue({ message: parsed.problem });
      return NEVER;
    }),
  );
}

const size = checked(readSize);

const capacity = checked((value) => {
  const parsed = readSize(value);
  const problem = 'value' in parsed ? capacityProblem(parsed.value) : undefined;
  return problem === undefined ? parsed : { problem };
});

const swapSize = checked((value) => {
  const parsed = readSize(value);
  if ('problem' in parsed) return parsed;
  const problem = exportSizeProblem(parsed.value);
  return problem === undefined ? parsed : { problem };
});

const absolutePath = checked((value) =>
  typeof value === 'string' && value.startsWith('/') && !value.includes('\0')
    ? { value }
    : { problem: 'not an absolute path: begin it with "/"' },
);

const spillPath = checked((value) => {
  const problem = spillPathProblem(value);
  return problem === undefined ? { value: resolve(String(value)) } : { problem };
});

const httpAddress = checked<HttpAddress | 'off'>((value) => {
  if (value === 'off') return { value };
  return typeof value === 'string' ? parseHttpAddress(value) : { problem: 'not "HOST:PORT" or "off"' };
});

const duration = checked((value) =>
  typeof value === 'string' && /^\d+(?:\.\d+)?(?:ms|s|m)$/.test(value)
    ? { value }
    : { problem: 'not a time: write a number and "ms", "s" or "m", such as "1s"' },
);

const wholeNumber = checked((value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
    ? { value }
    : { problem: 'not a whole number of 1 or more' },
);

const workers = checked((value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= WORKERS_MAX
    ? { value }
    : { problem: `not a whole number from 1 to ${WORKERS_MAX}` },
);

const word = checked((value) =>
  typeof value === 'string' && /^[^\s\0]+$/.test(value) ? { value } : { problem: 'not a word' },
);

const POLICIES = ['static', 'greedy', 'weighted', 'mom', 'proxmox', 'squeezed', 'idle-tax', 'selfballoon', 'price'];

const policySchema = v.strictObject({
  name: v.optional(v.picklist(POLICIES)),
  interval: v.optional(duration),
  budget: v.optional(size),
  reserve: v.optional(size),
  dry_run: v.optional(v.boolean()),
});

const swapSchema = v.strictObject({
  size: swapSize,
  spill: v.optional(spillPath),
  dedup: v.optional(v.boolean()),
});

const diskSchema = v.strictObject({
  image: v.string(),
  mode: v.optional(v.picklist(['rw', 'ro', 'overlay'])),
  shared: v.optional(v.string()),
  volatile: v.optional(v.boolean()),
});

const exportName = v.pipe(v.string(), v.regex(EXPORT_NAME, `a bad name: ${EXPORT_NAME_RULE}`));

const guestSchema = v.strictObject({
  kind: v.optional(v.picklist(['vm', 'process'])),
  weight: v.optional(wholeNumber),
  reservation: v.optional(size),
  cap: v.optional(size),
  qmp: v.optional(v.string()),
  owner: v.optional(word),
  trust: v.optional(v.pipe(v.string(), v.regex(GUEST_NAME, `a bad name: ${GUEST_NAME_RULE}`))),
  swap: v.optional(v.record(exportName, swapSchema)),
  disk: v.optional(v.record(exportName, diskSchema)),
});

const fileSchema = v.strictObject({
  capacity: v.optional(capacity),
  arena: v.optional(absolutePath),
  run_dir: v.optional(absolutePath),
  http: v.optional(httpAddress),
  token_file: v.optional(absolutePath),
  workers: v.optional(workers),
  log_level: v.optional(v.picklist(LOG_LEVELS)),
  policy: v.optional(policySchema),
  guest: v.optional(v.record(v.pipe(v.string(), v.regex(GUEST_NAME, `a bad name: ${GUEST_NAME_RULE}`)), guestSchema)),
});

/** What the file asks for that nothing here would do. */
function* notAvailable(said: v.InferOutput<typeof fileSchema>): Generator<{ path: string[]; key: string }> {
  for (const [name, guest] of Object.entries(said.guest ?? {})) {
    if (guest.qmp !== undefined) yield { path: ['guest', name, 'qmp'], key: 'qmp' };
    for (const disk of Object.keys(guest.disk ?? {}))
      yield { path: ['guest', name, 'disk', disk], key: `guest.${name}.disk.${disk}` };
  }
}

function* dedupWithSpill(said: v.InferOutput<typeof fileSchema>): Generator<string[]> {
  for (const [name, { swap = {} }] of Object.entries(said.guest ?? {})) {
    for (const [key, { dedup, spill }] of Object.entries(swap))
      if (dedup === true && spill !== undefined) yield ['guest', name, 'swap', key, 'dedup'];
  }
}

/** Those who share pages with one another: all guests that name one trust domain, or a guest with itself alone. */
function domainOf(guest: string, trust: string | undefined): string {
  return trust === undefined ? `guest ${guest}` : `trust ${trust}`;
}

/** Exports that would write over each other's pages. */
function* spillsTwice(said: v.InferOutput<typeof fileSchema>): Generator<{ path: string[]; other: string }> {
  const users = new Map<string, string>();
  for (const [guest, { swap = {} }] of Object.entries(said.guest ?? {})) {
    for (const [name, { spill }] of Object.entries(swap)) {
      const other = spill === undefined ? undefined : users.get(spill);
      if (other !== undefined) yield { path: ['guest', guest, 'swap', name, 'spill'], other };
      if (spill !== undefined) users.set(spill, `${guest}/${name}`);
    }
  }
}

type Issue = v.InferIssue<typeof fileSchema>;

function isUnknownKey(issue: Issue): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never';
}

function pathOf(issue: Issue): string[] {
  return (issue.path ?? []).map((item) => String(item.key));
}

function describeUnknownKey(path: readonly string[]): string {
  const key = path.at(-1)!;
  const table = path.length === 1 ? 'at the top level' : `in [${path.slice(0, -1).join('.')}]`;
  return `unknown key "${key}" ${table}: the nearest known key is "${nearest(key, knownKeysBeside(path))}"`;
}

/** Keys that the table of `path`'s last part knows. */
function knownKeysBeside(path: readonly string[]): string[] {
  if (path.length === 1) return Object.keys(fileSchema.entries);
  if (path[0] === 'policy') return Object.keys(policySchema.entries);
  if (path.length === 3) return Object.keys(guestSchema.entries);
  return Object.keys(path[2] === 'swap' ? swapSchema.entries : diskSchema.entries);
}

/** `guest.vm1.cap = "2GB" is ...`; parsers of ours give words that follow "is", the library's are replaced. */
function describe(issue: Issue): string {
  const name = pathOf(issue).join('.');
  if (issue.expected !== null && issue.received === 'undefined') return `${name} is missing`;
  const given = `${name} = ${abbreviate(issue.input)}`;
  switch (issue.type) {
    case 'raw_transform':
      return `${given} is ${issue.message}`;
    case 'regex':
      return `${name}: ${abbreviate(issue.input)} is ${issue.message}`;
    case 'picklist':
      return `${given} is not one of ${(issue.expected ?? '').replaceAll(/[()]/g, '').replaceAll(' | ', ', ')}`;
    case 'strict_object':
    case 'record':
      return `${given} is not a table: write [${name}] or give it keys`;
    default:
      return `${given} is not a ${issue.expected ?? 'valid value'}`;
  }
}

function abbreviate(value: unknown): string {
  const shown = typeof value === 'bigint' || value === undefined ? String(value) : JSON.stringify(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}

function readSize(value: unknown): { value: number } | { problem: string } {
  if (typeof value !== 'string' && typeof value !== 'number') return { problem: 'not a size: write it as "2GiB"' };
  const parsed = parseSize(value);
  return 'bytes' in parsed ? { value: parsed.bytes } : parsed;
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of its message is a drawing of the place over several lines.
    const what = error.message.split('\n')[0]!.replace('Invalid TOML document: ', '');
    throw new TmemError('E_CONFIG', `${file} line ${error.line}, column ${error.column}: ${what}`, { cause: error });
  }
}
