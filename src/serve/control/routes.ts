/** Requests become answers; no socket, no server. Everything here only reads. */
import { type ErrorCode, TmemError } from '../../base/errors.js';
import type { HostView } from '../../host/host-view.js';
import { statusPage } from './status-page.js';

export interface ControlRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
}

export interface ControlAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @param view - undefined while the daemon is still recovering */
export async function answerControl(
  { method, url }: ControlRequest,
  view: HostView | undefined,
): Promise<ControlAnswer> {
  if (method !== 'GET' && method !== 'HEAD') {
    const refusal = failure(405, 'E_DENIED', `${method} is not allowed: nothing can be changed here`, 'use GET');
    return { ...refusal, headers: { allow: 'GET, HEAD' } };
  }
  if (!URL.canParse(url, 'http://host')) return failure(400, 'E_USAGE', 'the request names no path', 'use GET /');
  const { pathname, searchParams } = new URL(url, 'http://host');
  const route = ROUTES[pathname];
  if (route === undefined)
    return failure(404, 'E_NOT_FOUND', `no ${pathname}`, `there are ${Object.keys(ROUTES).join(', ')}`);
  if (view === undefined)
    return failure(503, 'E_NOT_READY', 'the daemon is still recovering its arena', 'try again in a second');
  try {
    return await route(view, searchParams);
  } catch (error) {
    if (error instanceof TmemError && error.code === 'E_USAGE') return failure(400, error.code, error.message, '');
    const message = error instanceof Error ? error.message : String(error);
    return failure(500, error instanceof TmemError ? error.code : 'E_INTERNAL', message, "see the daemon's log");
  }
}

export function failure(status: number, code: ErrorCode, message: string, hint: string): ControlAnswer {
  return json({ error: { code, message, hint } }, status);
}

type Route = (view: HostView, query: URLSearchParams) => ControlAnswer | Promise<ControlAnswer>;

const ROUTES: Readonly<Record<string, Route>> = {
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
  '/api/v1/status': async (view) => json(await view.status()),
  '/api/v1/decisions': (view, query) => {
    const after = query.get('after');
    if (after !== null && !/^\d+$/.test(after)) throw new TmemError('E_USAGE', 'after is not a sequence number');
    return json(view.decisions());
  },
};

function json(document: object, status = 200): ControlAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(document)}\n` };
}
