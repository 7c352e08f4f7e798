/**
 * A shard that hangs is worse than one that died: clients' reconnects do not help against a server that accepts and
 * never answers. So silence ends the daemon, whose unit starts it again at once.
 */
import type { StorePort } from '../host/store-port.js';

const BEAT_MS = 1000;

/**
 * Beats without an answer, not a time on the clock: after the whole process was suspended the clock has jumped, and
 * the shard had no more chance to answer than we had to ask.
 */
const SILENT_BEATS_MAX = 5;

/** Asks every second, one question at a time. @returns a function that ends the watch */
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
