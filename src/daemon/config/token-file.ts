/**
 * The secret that allows changes over TCP. Whoever can read it can take a guest's memory away, so a file that anybody
 * but its owner may open is refused, as ssh refuses such a key. What is kept of it is its digest.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { systemCode, TmemError } from '../../base/errors.js';

/** 16 characters of base64 are 96 bits; nobody guesses that over HTTP. */
const TOKEN_CHARACTERS_MIN = 16;
const FILE_BYTES_MAX = 4096;

/**
 * SHA-256 of the file's one word.
 *
 * @param uid - who we are: the file must be ours, or root's
 * @throws TmemError E_CONFIG where there is no token in it, E_DENIED where others may read or change it
 */
export function readToken(file: string, uid: number): Uint8Array {
  const token = readPrivate(file, uid).trim();
  // What a header can carry, RFC 6750: anything else would never match.
  if (token.length < TOKEN_CHARACTERS_MIN || !/^[\w.~+/-]+=*$/.test(token))
    throw new TmemError(
      'E_CONFIG',
      `token_file ${file} holds no token of ${TOKEN_CHARACTERS_MIN} or more letters, digits and "-._~+/": make one with "openssl rand -hex 32"`,
    );
  return createHash('sha256').update(token).digest();
}

function readPrivate(file: string, uid: number): string {
  let descriptor: number;
  try {
    // A pipe in its place must not hold up the start.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = systemCode(error);
    throw new TmemError(
      code === 'EACCES' || code === 'EPERM' ? 'E_DENIED' : 'E_CONFIG',
      `cannot read token_file ${file} (${code ?? String(error)}): name a file that holds a token`,
      { cause: error },
    );
  }
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.size > FILE_BYTES_MAX)
      throw new TmemError('E_CONFIG', `token_file ${file} is not a small file: name one that holds a token`);
    if ((found.mode & 0o077) !== 0 || (found.uid !== uid && found.uid !== 0))
      throw new TmemError(
        'E_DENIED',
        `token_file ${file} is open to others than its owner (user ${found.uid}, mode ${(found.mode & 0o777).toString(8)}): chmod 600, and let it belong to user ${uid}`,
      );
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}
