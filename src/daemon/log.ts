/** The daemon's log: JSON lines on stderr, written before the call returns, so that the last words are not lost. */
import { destination, pino, stdTimeFunctions, type Logger } from 'pino';
import type { LogLevel } from '../base/shard-port.js';

export type Log = Logger;

export function openLog(level: LogLevel): Log {
  const stderr = destination({ fd: 2, sync: true });
  // Whoever read the log is gone: the daemon is not.
  stderr.on('error', () => {});
  return pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    stderr,
  );
}
