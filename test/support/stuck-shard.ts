/**
 * Loaded before a real daemon's own modules (`NODE_OPTIONS=--import`), in each of its threads: when the FIFO that
 * `TMEM_TEST_STUCK` names appears, the first shard to see it opens it and so waits for ever in a system call, as on a
 * disk that is gone. The main thread and the other shards go on.
 */
import { openSync, renameSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const LOOK_MS = 20;

const fifo = process.env['TMEM_TEST_STUCK'];
if (!isMainThread && fifo !== undefined) {
  const look = setInterval(() => {
    const taken = `${fifo}.taken`;
    try {
      renameSync(fifo, taken);
    } catch {
      return;
    }
    // Nobody ever opens it to write.
    openSync(taken, 'r');
  }, LOOK_MS);
  look.unref();
}
