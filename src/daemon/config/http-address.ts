/** `HOST:PORT` as people write it; an IPv6 address stands in brackets. */

export interface HttpAddress {
  readonly host: string;
  /** 0 lets the system pick one. */
  readonly port: number;
}

/** The address, or why it is none: words that fit after "NAME is". */
export function parseHttpAddress(written: string): { readonly value: HttpAddress } | { readonly problem: string } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(written);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return { problem: 'not "HOST:PORT" or "off": write it as "127.0.0.1:7070"' };
  return { value: { host: match[1] ?? match[2]!, port } };
}

export function formatHttpAddress({ host, port }: HttpAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
