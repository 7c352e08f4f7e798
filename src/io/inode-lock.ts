/**
 * One user for a file or folder among the processes, and the threads of a process, that share a network namespace: an
 * abstract Unix socket, named by the inode. The kernel lets it go with its holder, however that ends, so it is never
 * stale. Its name is filled up to the full length of an address,
 *
 *      NUL  t m e m - DEV - INO  x x x ... x        108 bytes
 *
 * because Node 20 pads shorter names with NULs and later versions do not: with a short name two versions of Node could
 * hold the same inode.
 */
import { createServer } from 'node:net';
import { systemCode } from '../base/errors.js';

/** Length of `sun_path`. */
const ABSTRACT_NAME_BYTES = 108;

/** As `stat` says it with `bigint`: inode numbers pass what a number can hold. */
export interface Inode {
  readonly dev: bigint;
  readonly ino: bigint;
}

export interface InodeLock {
  release(): void;
}

/** @returns undefined where somebody holds it already */
export function lockInode(inode: Inode): Promise<InodeLock | undefined> {
  return new Promise((resolve, reject) => {
    // Nobody has business with it; whoever connects is sent away.
    const server = createServer((connection) => connection.destroy());
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(abstractNameOf(inode), () => {
      server.unref();
      resolve({ release: () => void server.close() });
    });
  });
}

/** Exported for tests: the name, NUL first, always of full length. */
export function abstractNameOf({ dev, ino }: Inode): string {
  return `\0tmem-${dev}-${ino}`.padEnd(ABSTRACT_NAME_BYTES, 'x');
}
