/**
 * A shard that hangs is worse than one that died: clients' reconnects do not help against a server that accepts and
 * never answers. So silence ends the daemon, whose unit starts it again at once.
 */
import type { StorePort } from '../host/store-port.js';

const BEAT_MS = 500;

/**
 * Beats without an answer, not a time on the clock: after the whole process was suspended the clock has jumped, and
 * the shard had no more chance to answer than we had to ask.
 */
const SILENT_BEATS_MAX = 8;

/**
 * The longest from where a shard hangs until that is reported: it may have answered just before, a beat before the next
 * question. To end a thread that is stuck takes half a second more, which the promise of 5 s leaves.
 */
export const SILENT_MS_MAX: number = (1 + SILENT_BEATS_MAX) * BEAT_MS;

/** Asks twice a second, one question at a time. @returns a function that ends the watch */
export function watchShard(shard: Pick<StorePort, 'ping'>, onSilent: () => void, beatMs: number = BEAT_MS): () => void {
  let unanswered = 0;
  const heard = (): void => {
    unanswered = 0;
  };
  const timer = setInterval(() => {
    // A ping that fails means that the shard is gone, which is told elsewhere.
    if (unanswered === 0) shard.ping().then(heard, () => clearInterval(timer));
    if (unanswered++ < SILENT_BEATS_MAX) return;
    clearInterval(timer);
    onSilent();
  }, beatMs);
  timer.unref();
  return () => clearInterval(timer);
}
