/** The body of a change: one small JSON object, or nothing. */
import type { IncomingMessage } from 'node:http';
import { TmemError } from '../../base/errors.js';
import { nearest } from '../../base/nearest.js';
import { quoted } from '../../base/not-found.js';

/** A change has three fields at most. */
export const BODY_BYTES_MAX: number = 16 * 1024;

/** @throws TmemError E_USAGE where it is longer, at once, or ends before its end */
export function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= BODY_BYTES_MAX) {
        parts.push(part);
        return;
      }
      // Not destroyed: the answer goes out on the same connection.
      request.pause();
      reject(new TmemError('E_USAGE', `the body is longer than ${BODY_BYTES_MAX} bytes`));
    });
    request.once('end', () => resolve(Buffer.concat(parts).toString('utf8')));
    const cut = (): void => reject(new TmemError('E_USAGE', 'the body ends before its end'));
    request.once('error', cut);
    request.once('close', cut);
  });
}

/** Fields by name. Nothing at all is an object without fields. @throws TmemError E_USAGE where one is unknown */
export function parseFields(body: string, known: readonly string[]): ReadonlyMap<string, unknown> {
  if (body.trim() === '') return new Map();
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    throw new TmemError('E_USAGE', 'the body is not JSON');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new TmemError('E_USAGE', 'the body is not a JSON object');
  const fields = new Map<string, unknown>(Object.entries(document));
  for (const name of fields.keys()) {
    if (known.includes(name)) continue;
    const near = nearest(name.slice(0, 60), known);
    const hint = near === undefined ? 'it takes none' : `the nearest known field is "${near}"`;
    throw new TmemError('E_USAGE', `unknown field ${quoted(name)}: ${hint}`);
  }
  return fields;
}
