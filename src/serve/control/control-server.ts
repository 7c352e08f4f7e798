/** The HTTP doors: the control socket for commands, and a TCP address for browsers and scrapers. One table of routes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import { systemCode, TmemError } from '../../base/errors.js';
import type { HostView } from '../../host/host-view.js';
import { isTrustedHost } from './host-header.js';
import { answerControl, type ControlAnswer, failure } from './routes.js';

/** Requests have no body and few headers; a peer that sends more, or slowly, is no client of ours. */
const HEADER_BYTES_MAX = 16 * 1024;
const REQUEST_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 5000;

/** A browser opens six at a time, a scraper one; this is room for many of both. */
const CONNECTIONS_MAX = 64;

export type ControlPlace =
  { readonly path: string } | { readonly host: string; /** 0 picks one. */ readonly port: number };

export interface ControlServer {
  /** Of a TCP server, the port that it got. */
  readonly port: number | undefined;
  /** Ends open connections too. The socket's file goes. */
  close(): Promise<void>;
}

/**
 * @param view - asked at each request; undefined while the daemon is not ready
 * @throws TmemError E_HTTP_BUSY, E_SOCKET_BUSY
 */
export async function startControlServer(
  place: ControlPlace,
  view: () => HostView | undefined,
): Promise<ControlServer> {
  const isTrusted = (request: IncomingMessage): boolean =>
    'path' in place || isTrustedHost(request.headers.host, place.host);
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: REQUEST_MS_MAX / 2,
    },
    (request, response) => void serve(request, response, isTrusted(request), view()),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, 'path' in place ? { path: place.path } : { host: place.host, port: place.port });
  const address = server.address();
  return {
    port: typeof address === 'object' ? address?.port : undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  isTrusted: boolean,
  view: HostView | undefined,
): Promise<void> {
  const answer = isTrusted
    ? await answerControl({ method: request.method ?? '', url: request.url ?? '/' }, view)
    : failure(421, 'E_DENIED', 'the Host header names another host', 'use the address, or the name in the config');
  send(request, response, answer);
}

function send(request: IncomingMessage, response: ServerResponse, answer: ControlAnswer): void {
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // A body that nobody asked for is not read: the connection ends instead.
    ...(hasBody ? { connection: 'close' } : {}),
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

function listen(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const why = systemCode(error) ?? error.message;
      reject(
        where.path === undefined
          ? new TmemError(
              'E_HTTP_BUSY',
              `cannot listen on ${where.host}:${where.port} (${why}): set http to a free HOST:PORT, or "off"`,
              { cause: error },
            )
          : new TmemError('E_SOCKET_BUSY', `cannot listen on ${where.path} (${why}): use another run_dir`, {
              cause: error,
            }),
      );
    });
    server.listen(where, () => {
      // From here on an error is one of a single connection: no reason to end.
      server.on('error', () => {});
      resolve();
    });
  });
}
