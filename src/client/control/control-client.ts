/** Questions and orders to a running daemon: HTTP over its control socket. */
import { request } from 'node:http';
import { type ErrorCode, ERROR_CODES, systemCode, TmemError } from '../../base/errors.js';
import { controlSocket } from './run-dir.js';

/** The daemon answers within milliseconds; when its shard hangs it ends itself within 5 s. */
const ANSWER_MS = 6000;

/** An order waits for those before it; to take a guest away is to say goodbye to its clients and to flush its pages. */
const CHANGE_MS = 120_000;

/** A status of a thousand exports is below 1 MiB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The JSON document at `path`, as text, as the daemon wrote it.
 * @throws TmemError E_NO_DAEMON, E_DENIED, E_NOT_READY, or what the daemon says
 */
export async function getControl(runDir: string, path: string): Promise<string> {
  return ask(runDir, { method: 'GET', path, ms: ANSWER_MS });
}

/**
 * Has something changed. @returns the JSON document that says what came of it, as text, as the daemon wrote it
 * @throws TmemError as {@link getControl}
 */
export async function changeControl(
  runDir: string,
  method: 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<string> {
  return ask(runDir, { method, path, body: body === undefined ? '' : JSON.stringify(body), ms: CHANGE_MS });
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  /** How long to wait for the answer. */
  readonly ms: number;
}

async function ask(runDir: string, asked: Asked): Promise<string> {
  const socketPath = controlSocket(runDir);
  const { status, body } = await exchange(socketPath, asked).catch((error: unknown) => {
    throw error instanceof TmemError ? error : connectError(socketPath, error);
  });
  if (status === 200) return body;
  throw answeredError(socketPath, status, body);
}

function exchange(
  socketPath: string,
  { method, path, body = '', ms }: Asked,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      host: 'localhost',
      ...(body !== '' && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    };
    const asked = request({ socketPath, method, path, agent: false, headers }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) asked.destroy(new TmemError('E_INTERNAL', `${socketPath} never stops answering`));
        else chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    asked.setTimeout(ms, () =>
      asked.destroy(
        new TmemError('E_NO_DAEMON', `the daemon at ${socketPath} did not answer for ${ms / 1000} s: see its log`),
      ),
    );
    asked.once('error', reject);
    asked.end(body);
  });
}

function connectError(socketPath: string, cause: unknown): TmemError {
  const code = systemCode(cause);
  if (code === 'EACCES' || code === 'EPERM')
    return new TmemError('E_DENIED', `${socketPath} is open to the daemon's user alone: run this as that user`, {
      cause,
    });
  return new TmemError(
    'E_NO_DAEMON',
    `no daemon at ${socketPath} (${code ?? String(cause)}): start one with "tmem serve", or name its place with --run-dir`,
    { cause },
  );
}

/** The daemon's own words where it has some: `{error:{code,message,hint}}`. */
function answeredError(socketPath: string, status: number, body: string): TmemError {
  const said = errorIn(body);
  if (said === undefined) return new TmemError('E_INTERNAL', `${socketPath} answered ${status} without a reason`);
  return new TmemError(said.code, said.hint === '' ? said.message : `${said.message}: ${said.hint}`);
}

function errorIn(body: string): { code: ErrorCode; message: string; hint: string } | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return undefined;
  }
  const error = fieldOf(document, 'error');
  const code = fieldOf(error, 'code');
  const message = fieldOf(error, 'message');
  const hint = fieldOf(error, 'hint');
  if (typeof code !== 'string' || typeof message !== 'string' || typeof hint !== 'string') return undefined;
  return { code: isErrorCode(code) ? code : 'E_INTERNAL', message, hint };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
