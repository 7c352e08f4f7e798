/** Requests become answers; no socket, no server. What only reads is here, what changes something in `changes.ts`. */
import { type ErrorCode, TmemError } from '../../base/errors.js';
import { quoted } from '../../base/not-found.js';
import type { HostView } from '../../host/host-view.js';
import { CHANGE_ROUTES, type ChangeRoute, type Host } from './changes.js';
import { metricsText } from './metrics.js';
import { statusPage } from './status-page.js';

export interface ControlRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Whether this peer may change anything; if not, why not. */
  readonly mayChange: true | ControlAnswer;
  /** Asked for where a change is allowed, and nowhere else. */
  readonly readBody: () => Promise<string>;
}

export interface ControlAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @param host - undefined while the daemon is still recovering */
export async function answerControl(request: ControlRequest, host: Host | undefined): Promise<ControlAnswer> {
  const { method, url } = request;
  if (!URL.canParse(url, 'http://host')) return failure(400, 'E_USAGE', 'the request names no path', 'use GET /');
  const { pathname: resolved, searchParams } = new URL(url, 'http://host');
  // As it was sent where it can be: names are not to be taken for steps up.
  const pathname = url.startsWith('/') ? url.split('?', 1)[0]! : resolved;
  const changes = changesAt(pathname);
  const read = changes.length === 0 ? READ_ROUTES[pathname] : undefined;
  if (read === undefined && changes.length === 0)
    return failure(
      404,
      'E_NOT_FOUND',
      `no path ${quoted(pathname)}`,
      `there are ${Object.keys(READ_ROUTES).join(', ')}`,
    );
  const change = changes.find(({ route }) => route.method === method);
  const allowed = read === undefined ? changes.map(({ route }) => route.method) : ['GET', 'HEAD'];
  if (read === undefined ? change === undefined : !allowed.includes(method)) {
    const allow = allowed.join(', ');
    const refusal = failure(405, 'E_DENIED', `${method} is not allowed here`, `use ${allow}`);
    return { ...refusal, headers: { allow } };
  }
  if (host === undefined)
    return failure(503, 'E_NOT_READY', 'the daemon is still recovering its arena', 'try again in a second');
  try {
    if (read !== undefined) return await read(host.view, searchParams);
    if (request.mayChange !== true) return request.mayChange;
    return await carryOut(change!, searchParams, await request.readBody(), host);
  } catch (error) {
    return failureOf(error);
  }
}

export function failure(status: number, code: ErrorCode, message: string, hint: string): ControlAnswer {
  return json({ error: { code, message, hint } }, status);
}

type ReadRoute = (view: HostView, query: URLSearchParams) => ControlAnswer | Promise<ControlAnswer>;

const READ_ROUTES: Readonly<Record<string, ReadRoute>> = {
  '/': async (view) => ({
    status: 200,
    contentType: 'text/html; charset=utf-8',
    body: statusPage(await view.status()),
    // No script, nothing from elsewhere: names in the page could do no harm even if they got through as markup.
    headers: { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'" },
  }),
  '/healthz': async (view) => {
    // The status crosses the shard's thread: what answers it is well.
    await view.status();
    return { status: 200, contentType: 'text/plain; charset=utf-8', body: 'ok\n' };
  },
  '/metrics': async (view) => ({
    status: 200,
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    body: metricsText(await view.measurements()),
  }),
  '/api/v1/status': async (view) => json(await view.status()),
  '/api/v1/decisions': (view, query) => {
    const after = query.get('after');
    if (after !== null && !/^\d+$/.test(after)) throw new TmemError('E_USAGE', 'after is not a sequence number');
    return json(view.decisions());
  },
};

interface Change {
  readonly route: ChangeRoute;
  readonly names: readonly string[];
}

/** Those of this path, whatever their methods. */
function changesAt(pathname: string): Change[] {
  const parts = pathname.split('/');
  return CHANGE_ROUTES.flatMap((route) => {
    const pattern = route.path.split('/');
    const fits = pattern.length === parts.length && pattern.every((part, at) => part === '*' || part === parts[at]);
    return fits ? { route, names: parts.filter((_, at) => pattern[at] === '*') } : [];
  });
}

async function carryOut(
  { route, names }: Change,
  query: URLSearchParams,
  body: string,
  host: Host,
): Promise<ControlAnswer> {
  for (const [key, value] of query) {
    if (key !== 'force' || route.forcible !== true || (value !== 'true' && value !== 'false'))
      throw new TmemError(
        'E_USAGE',
        `the query says what this path does not know${route.forcible ? ': use ?force=true' : ''}`,
      );
  }
  return json(await route.run(host, { names: names.map(decodedName), body, force: query.get('force') === 'true' }));
}

function decodedName(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TmemError('E_USAGE', 'the path is not UTF-8, percent-encoded');
  }
}

/** Where HTTP has a word for it; all else is 500. */
const HTTP_STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  E_USAGE: 400,
  E_CONFIG: 400,
  E_SOCKET_PATH: 400,
  E_DENIED: 403,
  E_NOT_FOUND: 404,
  E_IN_USE: 409,
  E_SOCKET_BUSY: 409,
  E_SPILL: 409,
  E_ARENA_FULL: 507,
};

function failureOf(error: unknown): ControlAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof TmemError ? HTTP_STATUS[error.code] : undefined;
  if (error instanceof TmemError && status !== undefined) return failure(status, error.code, message, '');
  return failure(500, error instanceof TmemError ? error.code : 'E_INTERNAL', message, "see the daemon's log");
}

function json(document: object, status = 200): ControlAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(document)}\n` };
}
