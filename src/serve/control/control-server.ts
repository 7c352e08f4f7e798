/** The HTTP doors: the control socket for commands, and a TCP address for browsers and scrapers. One table of routes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import { systemCode, TmemError } from '../../base/errors.js';
import type { Host } from './changes.js';
import { isTrustedHost } from './host-header.js';
import { readBody } from './request-body.js';
import { answerControl, type ControlAnswer, failure } from './routes.js';
import { bringsToken } from './token.js';

/** Requests have a small body, if any, and few headers; a peer that sends more, or slowly, is no client of ours. */
const HEADER_BYTES_MAX = 16 * 1024;
const REQUEST_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 5000;

/** A browser opens six at a time, a scraper one; this is room for many of both. */
const CONNECTIONS_MAX = 64;

export type ControlPlace =
  { readonly path: string } | { readonly host: string; /** 0 picks one. */ readonly port: number };

/** Asked at each request. */
export interface Doors {
  /** Undefined while the daemon is not ready. */
  readonly host: () => Host | undefined;
  /** SHA-256 of the token that allows changes over TCP; null allows none. Who can open the control socket needs none. */
  readonly tokenDigest: () => Uint8Array | null;
}

export interface ControlServer {
  /** Of a TCP server, the port that it got. */
  readonly port: number | undefined;
  /** Ends open connections too. The socket's file goes. */
  close(): Promise<void>;
}

/** @throws TmemError E_HTTP_BUSY, E_SOCKET_BUSY */
export async function startControlServer(place: ControlPlace, doors: Doors): Promise<ControlServer> {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let isBodyRead = false;
    const isTrusted = 'path' in place || isTrustedHost(request.headers.host, place.host);
    const answer = isTrusted
      ? await answerControl(
          {
            method: request.method ?? '',
            url: request.url ?? '/',
            mayChange: 'path' in place || mayChange(request, doors.tokenDigest()),
            readBody: async () => {
              const body = await readBody(request);
              isBodyRead = true;
              return body;
            },
          },
          doors.host(),
        )
      : failure(421, 'E_DENIED', 'the Host header names another host', 'use the address, or the name in the config');
    send(request, response, answer, hasBody(request) && !isBodyRead);
  };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: REQUEST_MS_MAX / 2,
    },
    (request, response) => void serve(request, response),
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

function mayChange({ headers }: IncomingMessage, digest: Uint8Array | null): true | ControlAnswer {
  if (digest === null)
    return failure(403, 'E_DENIED', 'nothing can be changed over TCP', 'use the control socket, or set token_file');
  if (bringsToken(headers.authorization, digest)) return true;
  const refusal = failure(
    401,
    'E_DENIED',
    'the token is missing or wrong',
    'send the one of token_file as bearer token',
  );
  return { ...refusal, headers: { 'www-authenticate': 'Bearer realm="tmem"' } };
}

function send(request: IncomingMessage, response: ServerResponse, answer: ControlAnswer, isLast: boolean): void {
  if (response.destroyed) return;
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // A body that was not read to its end never will be: the connection ends instead.
    ...(isLast ? { connection: 'close' } : {}),
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
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
