/** The bearer token that allows changes over TCP (RFC 6750). */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether the header brings the token of that SHA-256. How long that takes tells nothing of how much of it is right. */
export function bringsToken(authorization: string | undefined, digest: Uint8Array): boolean {
  const [, token] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  if (token === undefined) return false;
  return timingSafeEqual(createHash('sha256').update(token).digest(), digest);
}
