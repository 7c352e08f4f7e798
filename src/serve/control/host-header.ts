/**
 * The guard against DNS rebinding: a web page may make its own name resolve to 127.0.0.1, and then the browser lets
 * it read what we answer, because to the browser we are that page's server. Its requests say so: the Host header
 * names the page's host. So a request is answered only when its Host cannot be such a name: an address, which nobody
 * can make resolve elsewhere; `localhost`, which browsers never look up; or the name that we were told to listen on.
 * Requests without a Host are not from browsers.
 */
import { isIP } from 'node:net';

/** @param listenHost - what the config says, before it was resolved */
export function isTrustedHost(header: string | undefined, listenHost: string): boolean {
  if (header === undefined) return true;
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::\d*)?$/.exec(header.trim());
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase();
  return isIP(host) !== 0 || host === 'localhost' || host === listenHost.toLowerCase();
}
